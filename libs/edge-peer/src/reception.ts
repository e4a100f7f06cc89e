import type { ReportBlock } from '@flotilla/rtp';
import { sequenceOf, timestampOf } from './rtp.ts';

/** A larger forward jump of the sequence number is a restart of the stream (MAX_DROPOUT of RFC 3550, appendix A.1). */
const maxDropout = 3000;

/** Reception statistics of one stream, for receiver reports (RFC 3550, appendices A.1, A.3 and A.8). */
export class Reception {
  #first: number | undefined;
  #highest = 0;
  #received = 0;
  #before = { expected: 0, received: 0 };
  #transit: number | undefined;
  #jitter = 0;
  #senderReport: { middleOfNtp: number; at: number } | undefined;

  /** @param clockRate clock rate of the RTP timestamps, in Hz. */
  constructor(
    readonly ssrc: number,
    private readonly clockRate: number,
  ) {}

  get packets(): number {
    return this.#received;
  }

  /**
   * Counts a packet.
   *
   * @param now a monotonic clock, in milliseconds.
   */
  add(packet: Buffer, now: number): void {
    this.#received++;
    const sequence = sequenceOf(packet);
    if (this.#first === undefined) [this.#first, this.#highest] = [sequence, sequence];
    else {
      const ahead = (sequence - this.#highest) & 0xff_ff;
      if (ahead < maxDropout) this.#highest += ahead;
      else if (ahead < 0x1_00_00 - maxDropout) this.#restart(sequence);
    }
    const transit = (now * this.clockRate) / 1000 - timestampOf(packet);
    if (this.#transit !== undefined) {
      // Timestamps wrap around after 32 bits.
      const difference = Math.abs((transit - this.#transit) | 0);
      this.#jitter += (difference - this.#jitter) / 16;
    }
    this.#transit = transit;
  }

  #restart(sequence: number): void {
    [this.#first, this.#highest, this.#received] = [sequence, sequence, 1];
    this.#before = { expected: 0, received: 0 };
    this.#transit = undefined;
  }

  onSenderReport(middleOfNtp: number, now: number): void {
    this.#senderReport = { middleOfNtp, at: now };
  }

  /** The block for the next receiver report; undefined before the first packet. */
  reportBlock(now: number): ReportBlock | undefined {
    if (this.#first === undefined) return undefined;
    const expected = this.#highest - this.#first + 1;
    const received = this.#received;
    const lostNow = expected - this.#before.expected - (received - this.#before.received);
    const expectedNow = expected - this.#before.expected;
    this.#before = { expected, received };
    const { middleOfNtp, at } = this.#senderReport ?? { middleOfNtp: 0, at: now };
    return {
      ssrc: this.ssrc,
      fractionLost: expectedNow > 0 && lostNow > 0 ? Math.min(255, Math.floor((lostNow * 256) / expectedNow)) : 0,
      lost: expected - received,
      highestSequence: this.#highest,
      jitter: Math.round(this.#jitter),
      lastSenderReport: middleOfNtp,
      delay: Math.round(((now - at) / 1000) * 0x1_00_00),
    };
  }
}
