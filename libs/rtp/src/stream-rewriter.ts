import type { RtpPacket } from './packet.ts';
import { nextSequence, sequenceDistance, timestampDistance } from './sequence.ts';

export interface RewriterOptions {
  /** Of the stream that is sent. */
  readonly ssrc: number;
  readonly clockRate: number;
  /** Of the first packet. */
  readonly sequenceNumber: number;
  readonly timestamp: number;
}

/**
 * Makes one stream of several sources, one after the other: sequence numbers continue, and the timestamps go on by the time between
 * the last packet of one source and the first of the next.
 */
export class StreamRewriter {
  #source: number | undefined;
  /** The next packet is the first one of its source. */
  #isFirst = true;
  #sequenceOffset = 0;
  #timestampOffset = 0;
  /** Of the current source, in the sent stream. */
  #firstSequence = 0;
  #lastSequence: number;
  #lastTimestamp: number;
  #lastAt: number | undefined;

  constructor(private readonly options: RewriterOptions) {
    this.#lastSequence = (options.sequenceNumber - 1) & 0xff_ff;
    this.#lastTimestamp = options.timestamp;
  }

  /** From here on, only packets of this SSRC are passed on: the same one too, when its numbers start again. */
  switchTo(ssrc: number): void {
    this.#source = ssrc;
    this.#isFirst = true;
  }

  /**
   * Rewrites a packet in place: its SSRC, sequence number and timestamp, in the buffer and in the view.
   *
   * @param now a monotonic clock, in ms.
   * @returns false when it is not to be sent: it is from another source, or older than the first packet of this one.
   */
  rewrite(packet: RtpPacket, now: number): boolean {
    this.#source ??= packet.ssrc;
    if (packet.ssrc !== this.#source) return false;
    if (this.#isFirst) this.#start(packet, now);
    const sequence = (packet.sequenceNumber + this.#sequenceOffset) & 0xff_ff;
    const timestamp = (packet.timestamp + this.#timestampOffset) >>> 0;
    if (sequenceDistance(this.#firstSequence, sequence) < 0 && sequenceDistance(this.#lastSequence, sequence) <= 0)
      return false;
    if (sequenceDistance(this.#lastSequence, sequence) > 0) {
      this.#lastSequence = sequence;
      // A long-running source: the distance to its first packet is not to wrap around.
      if (sequenceDistance(this.#firstSequence, sequence) > 0x40_00)
        this.#firstSequence = (sequence - 0x20_00) & 0xff_ff;
      if (timestampDistance(this.#lastTimestamp, timestamp) >= 0) this.#lastTimestamp = timestamp;
      this.#lastAt = now;
    }
    packet.ssrc = this.options.ssrc;
    packet.sequenceNumber = sequence;
    packet.timestamp = timestamp;
    packet.bytes.writeUInt16BE(sequence, 2);
    packet.bytes.writeUInt32BE(timestamp, 4);
    packet.bytes.writeUInt32BE(packet.ssrc, 8);
    return true;
  }

  /** The timestamp of the sent stream for one of the current source, as in a sender report of it. */
  timestampOf(sourceTimestamp: number): number {
    return (sourceTimestamp + this.#timestampOffset) >>> 0;
  }

  #start(packet: RtpPacket, now: number): void {
    this.#isFirst = false;
    this.#firstSequence = nextSequence(this.#lastSequence);
    this.#sequenceOffset = this.#firstSequence - packet.sequenceNumber;
    const elapsed =
      this.#lastAt === undefined ? 0 : Math.max(1, Math.round(((now - this.#lastAt) / 1000) * this.options.clockRate));
    this.#timestampOffset = this.#lastTimestamp + elapsed - packet.timestamp;
  }
}
