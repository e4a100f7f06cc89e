import { type ErrorCode, FlotillaError } from '@flotilla/contracts';
import { mayBeIn } from '@flotilla/store';
import type { eventsOf, RoomEvents } from '../limits/room-events.ts';
import type { Session } from '../sessions/session.ts';
import type { RoomSizes } from './room-sizes.ts';

/** Answers after which the SFU node has not carried a request out. Clients repeat it until it has. */
const notDelivered: readonly ErrorCode[] = ['UNAVAILABLE', 'NODE_UNAVAILABLE'];

/**
 * Answers after which a request has caused no event. A join that fails at the SFU node has: its member is in the room until it is rolled
 * back.
 */
const withoutEvents: Readonly<Record<keyof typeof eventsOf, ReadonlySet<ErrorCode>>> = {
  join: new Set(['ROOM_FULL', 'NO_CAPACITY', 'ROOM_NOT_FOUND', 'BANNED', 'TOO_MANY_ROOMS', 'ALREADY_IN_ROOM']),
  publish: new Set(notDelivered),
  mute: new Set(notDelivered),
};

interface InRoom {
  readonly session: Session;
  readonly roomId: string;
}

/** Limits the requests that change a room for all of its participants. */
export class RoomChanges {
  constructor(
    private readonly events: RoomEvents,
    private readonly sizes: RoomSizes,
  ) {}

  /** Changes a room. Throws RATE_LIMITED, NOT_IN_ROOM, and what `change` throws; events that it did not cause are given back. */
  async run<T>(type: keyof typeof eventsOf, { session, roomId }: InRoom, change: () => Promise<T>): Promise<T> {
    const giveBack = this.#take(type, session, roomId);
    try {
      return await change();
    } catch (error) {
      if (withoutEvents[type].has(FlotillaError.from(error).code)) giveBack?.();
      throw error;
    }
  }

  /** A session takes nothing of a room that its claims do not cover. */
  #take(type: keyof typeof eventsOf, session: Session, roomId: string): (() => void) | undefined {
    if (type !== 'join') session.membership(roomId);
    else if (!mayBeIn(roomId, session.identity)) return undefined;
    return this.events.take(roomId, type, this.sizes.of(roomId), session);
  }
}
