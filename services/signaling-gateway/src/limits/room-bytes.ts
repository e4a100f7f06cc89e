import { FlotillaError } from '@flotilla/contracts';
import { SharedBucket } from '@flotilla/runtime';
import type { Membership } from '../sessions/session.ts';

/** Bursts into a room, in seconds of its rate. Below the unsent bytes at which a receiver is disconnected. */
export const roomBurstSeconds = 3;

/** Maximum number of rooms whose rates are kept. A full bucket is forgotten without a difference. */
const maxRooms = 10_000;

/**
 * Limits the bytes of messages into each room from this gateway: the senders are refused, before receivers fall behind. Those that send
 * little are refused last.
 */
export class RoomBytes {
  readonly #buckets = new Map<string, SharedBucket>();

  constructor(private readonly bytesPerSecond: number) {}

  /**
   * Throws RATE_LIMITED. The membership keeps what it sends in `sentBytes`; without one, the sender is above its own part. One that was
   * restored counts as above it at first: otherwise senders would get a new part whenever they resume their session.
   */
  take(
    roomId: string,
    bytes: number,
    membership?: Pick<Membership, 'sentBytes' | 'restoredAt'>,
    now: number = performance.now(),
  ): void {
    let bucket = this.#buckets.get(roomId);
    if (!bucket) {
      if (this.#buckets.size >= maxRooms) this.#forget(now);
      bucket = new SharedBucket(this.bytesPerSecond, roomBurstSeconds, now);
      this.#buckets.set(roomId, bucket);
    }
    if (membership) {
      const { restoredAt } = membership;
      membership.sentBytes ??= restoredAt === undefined ? bucket.newSender(now) : bucket.newSender(restoredAt, 0);
    }
    if (!bucket.take(bytes, membership?.sentBytes, now))
      throw new FlotillaError(
        'RATE_LIMITED',
        `more than ${this.bytesPerSecond} bytes of messages a second in this room`,
      );
  }

  /** Number of rooms whose rates are kept. */
  get tracked(): number {
    return this.#buckets.size;
  }

  /** Forgets rooms without traffic; if those are too few, the oldest tenth. */
  #forget(now: number): void {
    for (const [roomId, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(roomId);
    const excess = this.#buckets.size - maxRooms * 0.9;
    for (const roomId of [...this.#buckets.keys()].slice(0, Math.max(0, excess))) this.#buckets.delete(roomId);
  }
}
