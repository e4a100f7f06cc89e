import type { PacketPool, PooledPacket } from './pool.ts';
import { RtpPacket } from './packet.ts';
import { nextSequence, sequenceDistance } from './sequence.ts';

export interface ReorderOptions {
  /** Time to wait for a missing packet, in ms. Default 250: a retransmission over a round trip of 100 ms, asked for twice. */
  readonly maxWaitMs?: number;
  /** Number of packets to hold while one is missing, a power of two. Default 512. */
  readonly maxPackets?: number;
}

/** A larger distance of sequence numbers is a restart of the stream (MAX_DROPOUT of RFC 3550, appendix A.1). */
const maxDropout = 3000;

/**
 * Puts the packets of one stream into the order of their sequence numbers. Packets in order are passed on without a copy; those
 * behind a gap are copied into the pool, until the missing packet arrives or has been waited for.
 */
export class ReorderBuffer {
  readonly #slots: (PooledPacket | undefined)[];
  readonly #mask: number;
  readonly #maxWaitMs: number;
  readonly #view = new RtpPacket();
  #next: number | undefined;
  #held = 0;
  /** Time from which the packet at `#next` has been missing. */
  #missingSince = 0;
  /** Packets that arrived too late, or twice. */
  late = 0;

  constructor(
    private readonly pool: PacketPool,
    private readonly deliver: (packet: RtpPacket) => void,
    { maxWaitMs = 250, maxPackets = 512 }: ReorderOptions = {},
  ) {
    if (maxPackets < 1 || (maxPackets & (maxPackets - 1)) !== 0)
      throw new RangeError(`maxPackets is ${maxPackets}, not a power of two`);
    this.#slots = Array.from({ length: maxPackets });
    this.#mask = maxPackets - 1;
    this.#maxWaitMs = maxWaitMs;
  }

  /** Number of packets behind a gap. */
  get held(): number {
    return this.#held;
  }

  /** @param now a monotonic clock, in ms. */
  push(packet: RtpPacket, now: number): void {
    const { sequenceNumber } = packet;
    this.#next ??= sequenceNumber;
    let ahead = sequenceDistance(this.#next, sequenceNumber);
    if (Math.abs(ahead) > maxDropout) {
      this.flush();
      this.#next = sequenceNumber;
      ahead = 0;
    }
    if (ahead < 0) {
      this.late++;
      return;
    }
    if (ahead === 0) {
      this.#next = nextSequence(sequenceNumber);
      this.deliver(packet);
      this.#drain(now);
      return;
    }
    while (ahead > this.#mask) {
      this.#skipGap(now);
      ahead = sequenceDistance(this.#next, sequenceNumber);
      if (this.#held === 0 && ahead > this.#mask) [this.#next, ahead] = [sequenceNumber, 0];
      if (ahead <= 0) {
        this.push(packet, now);
        return;
      }
    }
    this.#hold(packet, now);
    this.expire(now);
  }

  /** Gives up on packets that have been waited for. Call it also while nothing arrives. */
  expire(now: number): void {
    while (this.#held > 0 && now - this.#missingSince > this.#maxWaitMs) this.#skipGap(now);
  }

  /** Passes on what is held, and starts again with the next packet. */
  flush(): void {
    while (this.#held > 0) this.#skipGap(0);
    this.#next = undefined;
  }

  #hold(packet: RtpPacket, now: number): void {
    const slot = packet.sequenceNumber & this.#mask;
    if (this.#slots[slot]) {
      this.late++;
      return;
    }
    const copy = this.pool.copyOf(packet.bytes, packet.length);
    // Longer than a packet of the pool: as if it were lost.
    if (!copy) return;
    if (this.#held === 0) this.#missingSince = now;
    this.#slots[slot] = copy;
    this.#held++;
  }

  #skipGap(now: number): void {
    while (this.#held > 0 && !this.#slots[this.#next! & this.#mask]) this.#next = nextSequence(this.#next!);
    this.#drain(now);
  }

  #drain(now: number): void {
    if (this.#held === 0) return;
    for (;;) {
      const slot = this.#next! & this.#mask;
      const packet = this.#slots[slot];
      if (!packet) break;
      this.#slots[slot] = undefined;
      this.#held--;
      this.#next = nextSequence(this.#next!);
      if (this.#view.parse(packet.bytes, packet.length)) this.deliver(this.#view);
      packet.release();
    }
    this.#missingSince = now;
  }
}
