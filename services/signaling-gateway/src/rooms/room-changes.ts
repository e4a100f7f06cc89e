import { mayBeIn } from '@flotilla/store';
import type { eventsOf, RoomEvents } from '../limits/room-events.ts';
import type { Session } from '../sessions/session.ts';
import type { RoomSizes } from './room-sizes.ts';

/** Limits the requests that change a room for all of its participants. */
export class RoomChanges {
  constructor(
    private readonly events: RoomEvents,
    private readonly sizes: RoomSizes,
  ) {}

  /** Throws RATE_LIMITED, NOT_IN_ROOM. A session takes nothing of a room that its claims do not cover. */
  take(type: keyof typeof eventsOf, session: Session, roomId: string): void {
    if (type !== 'join') session.membership(roomId);
    else if (!mayBeIn(roomId, session.identity)) return;
    this.events.take(roomId, type, this.sizes.of(roomId), session);
  }
}
