import { FlotillaError, type RoomEvent } from '@flotilla/contracts';
import type { Membership, Session } from '../sessions/session.ts';

/** What a room's stream says of migrations, for a session of this gateway: which node its requests go to. */
export function applyMigrationEvent(
  session: Session,
  roomId: string,
  event: RoomEvent<'migrate' | 'migration_rolled_back' | 'participant_moved'>,
): void {
  const membership = session.rooms.get(roomId);
  if (!membership) return;
  switch (event.type) {
    case 'migrate':
      if (event.only?.includes(session.id))
        membership.migration = { id: event.payload.migrationId, toNode: event.payload.media.nodeId };
      break;
    case 'migration_rolled_back':
      if (membership.migration?.id === event.payload.migrationId) membership.migration = undefined;
      break;
    case 'participant_moved':
      if (event.payload.participantId === membership.participantId) membership.nodeId = event.payload.nodeId;
  }
}

/**
 * The node that a request is for: the one the session is homed on, or, when it names the migration, the new side. What is
 * still said to the old side after the move is answered MEDIA_NOT_OPEN by the new one, and harms nothing.
 *
 * @throws FlotillaError MIGRATION_NOT_ACTIVE when the migration it names was undone.
 */
export function nodeFor(membership: Membership, migrationId: string | undefined): string {
  if (migrationId === undefined) return membership.nodeId;
  if (membership.migration?.id !== migrationId) throw new FlotillaError('MIGRATION_NOT_ACTIVE');
  return membership.migration.toNode;
}
