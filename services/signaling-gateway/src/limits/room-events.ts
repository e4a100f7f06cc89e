import { FlotillaError } from '@flotilla/contracts';
import { SharedBucket, TokenBucket } from '@flotilla/runtime';
import type { Session } from '../sessions/session.ts';
import { fanOutBytes, roomBurstSeconds } from './fan-out.ts';
import { KeyedBuckets } from './keyed-buckets.ts';

/** Events of rooms that each session may cause, whatever others do: per second, and at once. */
export const ownEventsPerSecond = 2;
export const ownEventBurst = 60;
/** At once after a resume, since connections of one session would get new ones otherwise. */
export const resumedEventBurst = 16;

/** Typical size of the text of such an event, bytes. */
export const eventBytes = 512;

/** Events that a request causes. A join and a publication count their end too, which is never refused. */
export const eventsOf = { join: 2, publish: 2, mute: 1 } as const;

export type CausingSession = Pick<Session, 'ownEvents' | 'resumed' | 'openedAt'>;

/**
 * Limits the events that sessions of this gateway cause in each room by requests that they can repeat. A session has a part of its own,
 * which no other can use up; above it, all sessions share the room's rate.
 */
export class RoomEvents {
  readonly #buckets: KeyedBuckets<SharedBucket>;

  constructor(bytesPerSecond: number) {
    this.#buckets = new KeyedBuckets((now) => new SharedBucket(bytesPerSecond, roomBurstSeconds, now));
  }

  /**
   * Returns a function that gives the events back. `receivers`: participants of the room. The session keeps in `ownEvents` what it has for
   * itself. Throws RATE_LIMITED.
   */
  take(
    roomId: string,
    type: keyof typeof eventsOf,
    receivers: number,
    session: CausingSession,
    now: number = performance.now(),
  ): () => void {
    const events = eventsOf[type];
    const atFirst = session.resumed ? resumedEventBurst : ownEventBurst;
    session.ownEvents ??= new TokenBucket(ownEventsPerSecond, ownEventBurst, session.openedAt, atFirst);
    const { ownEvents } = session;
    if (ownEvents.take(now, events)) return () => ownEvents.give(undefined, events);
    const bucket = this.#buckets.of(roomId, now);
    const cost = Math.min(events * fanOutBytes(eventBytes, receivers), bucket.largest);
    if (!bucket.take(cost, undefined, now))
      throw new FlotillaError('RATE_LIMITED', 'too many changes a second in this room; see docs/limits.md');
    return () => bucket.give(cost);
  }
}
