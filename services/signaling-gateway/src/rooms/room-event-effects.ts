import type { RoomEventEntry } from '@flotilla/bus';
import type { Session } from '../sessions/session.ts';
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
 * Applies a room event to a session's membership: migrations change its node, a deleted room or a removed participant ends
 * it; `onRemoved` is called then.
 */
export function applyRoomEvent(
  session: Session,
  roomId: string,
  { event }: RoomEventEntry,
  onRemoved: (session: Session, roomId: string) => void,
): void {
  const membership = session.rooms.get(roomId);
  if (!membership) return;
  if (event.type === 'migrate' || event.type === 'migration_rolled_back' || event.type === 'participant_moved') {
    applyMigrationEvent(session, membership, event);
  } else if (event.type === 'room_deleted') {
    onRemoved(session, roomId);
  } else if (event.type === 'participant_left' && event.payload.reason !== 'left') {
    if (event.payload.participantId === membership.participantId) onRemoved(session, roomId);
  }
}
