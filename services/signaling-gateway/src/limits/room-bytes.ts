import { FlotillaError } from '@flotilla/contracts';
import { SharedBucket } from '@flotilla/runtime';
import type { Membership } from '../sessions/session.ts';
import { roomBurstSeconds } from './fan-out.ts';
import { KeyedBuckets } from './keyed-buckets.ts';

/**
 * Limits the bytes of messages into each room from this gateway: the senders are refused, before receivers fall behind. Those that send
 * little are refused last.
 */
export class RoomBytes {
  readonly #buckets: KeyedBuckets<SharedBucket>;

  constructor(private readonly bytesPerSecond: number) {
    this.#buckets = new KeyedBuckets((now) => new SharedBucket(bytesPerSecond, roomBurstSeconds, now));
  }

  /**
   * Takes what a message costs, see `fanOutBytes`; of one that costs more than the room ever has, that is all. Throws RATE_LIMITED. The
   * membership keeps what it sends in `sentBytes`; without one, the sender is above its own part. One that was restored counts as above
   * it at first: otherwise senders would get a new part whenever they resume their session.
   */
  take(
    roomId: string,
    bytes: number,
    membership?: Pick<Membership, 'sentBytes' | 'restoredAt'>,
    now: number = performance.now(),
  ): void {
    const bucket = this.#buckets.of(roomId, now);
    if (membership) {
      const { restoredAt } = membership;
      membership.sentBytes ??= restoredAt === undefined ? bucket.newSender(now) : bucket.newSender(restoredAt, 0);
    }
    if (!bucket.take(Math.min(bytes, bucket.largest), membership?.sentBytes, now))
      throw new FlotillaError(
        'RATE_LIMITED',
        `more than ${this.bytesPerSecond} bytes of messages a second in this room; see docs/limits.md`,
      );
  }

  /** Number of rooms whose rates are kept. */
  get tracked(): number {
    return this.#buckets.size;
  }
}
