import type { RoomEventEntry } from '@flotilla/bus';
import type { Membership, Session } from '../sessions/session.ts';
import { applyMigrationEvent } from './migration-routing.ts';

const membershipEvents: ReadonlySet<string> = new Set([
  'migrate',
  'migration_rolled_back',
  'participant_moved',
  'room_deleted',
  'participant_left',
]);

/** Whether an event may change the membership of a session. */
export const changesMembership = ({ event }: RoomEventEntry): boolean => membershipEvents.has(event.type);

/**
 * Applies a room event to a session's membership: migrations change its node. Returns true when the event ends it: the room was
 * deleted, or its participant left. Events from before the session joined must not be applied.
 */
export function applyRoomEvent(session: Session, membership: Membership, { event }: RoomEventEntry): boolean {
  switch (event.type) {
    case 'migrate':
    case 'migration_rolled_back':
    case 'participant_moved':
      applyMigrationEvent(session, membership, event);
      return false;
    case 'room_deleted':
      return true;
    case 'participant_left':
      return event.payload.participantId === membership.participantId;
    default:
      return false;
  }
}
