import { FlotillaError } from '@flotilla/contracts';
import { SharedBucket } from '@flotilla/runtime';
import type { Session } from '../sessions/session.ts';
import { roomBurstSeconds, type SentMessage, takeMessage } from './fan-out.ts';
import { KeyedBuckets } from './keyed-buckets.ts';

export type SendingMember = Pick<Session, 'sentBytes' | 'resumed' | 'openedAt'>;

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
   * Takes a message, see `takeMessage`. Throws RATE_LIMITED. A member's session keeps what it sends into its rooms in `sentBytes`: a
   * membership would have a new part after each join. A session that was resumed counts as above its part at first, for the same reason.
   *
   * @param member the session, if it is in the room
   */
  take(roomId: string, message: SentMessage, member?: SendingMember, now: number = performance.now()): void {
    const bucket = this.#buckets.of(roomId, now);
    if (member) member.sentBytes ??= bucket.newSender(member.openedAt, member.resumed ? 0 : 1);
    if (!takeMessage(bucket, message, member?.sentBytes, now))
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
