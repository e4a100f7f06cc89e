import { FlotillaError } from '@flotilla/contracts';
import { TokenBucket } from '@flotilla/runtime';

/** Bursts into a room, in seconds of its rate. Below the unsent bytes at which a receiver is disconnected. */
export const roomBurstSeconds = 3;

/** A sender's own part of what its room takes. Below it, the sender may use what others must leave. */
const ownShare = 1 / 64;
/** Part of a room's burst that senders above their own part must leave to the others. */
const reservedShare = 1 / 4;

/** Maximum number of rooms whose rates are kept. A full bucket is forgotten without a difference. */
const maxRooms = 10_000;

/**
 * Limits the bytes of messages into each room from this gateway: the senders are refused, before receivers fall behind. Those that send
 * little are refused last.
 */
export class RoomBytes {
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(private readonly bytesPerSecond: number) {}

  /** The bytes that a member of a room has sent, for `take`. */
  newSender(now: number = performance.now()): TokenBucket {
    const perSecond = this.bytesPerSecond * ownShare;
    return new TokenBucket(perSecond, perSecond * roomBurstSeconds, now);
  }

  /**
   * Throws RATE_LIMITED.
   *
   * @param sender from `newSender`. Without one, the sender is above its own part.
   */
  take(roomId: string, bytes: number, sender?: TokenBucket, now: number = performance.now()): void {
    let bucket = this.#buckets.get(roomId);
    if (!bucket) {
      if (this.#buckets.size >= maxRooms) this.#forget(now);
      bucket = new TokenBucket(this.bytesPerSecond, this.bytesPerSecond * roomBurstSeconds, now);
      this.#buckets.set(roomId, bucket);
    }
    const left = sender?.take(now, bytes) ? 0 : bucket.burst * reservedShare;
    if (!bucket.has(now, bytes + left) || !bucket.take(now, bytes))
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
