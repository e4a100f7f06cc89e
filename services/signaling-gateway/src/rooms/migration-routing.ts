import { FlotillaError, type RoomEvent } from '@flotilla/contracts';
import type { Membership, Session } from '../sessions/session.ts';

export type MigrationEvent = RoomEvent<'migrate' | 'migration_rolled_back' | 'participant_moved'>;

/** Updates the SFU node that a session's requests are sent to. */
export function applyMigrationEvent(session: Session, membership: Membership, event: MigrationEvent): void {
  switch (event.type) {
    case 'migrate':
      if (event.only?.includes(session.id))
        membership.migration = {
          id: event.payload.migrationId,
          toNode: event.payload.media.nodeId,
          trace: event.trace,
        };
      break;
    case 'migration_rolled_back':
      if (membership.migration?.id === event.payload.migrationId) membership.migration = undefined;
      break;
    case 'participant_moved':
      if (event.payload.participantId === membership.participantId) membership.nodeId = event.payload.nodeId;
  }
}

/**
 * The SFU node that a request is for: the assigned one, or the target of the migration that the request names. After the
 * commit, a request about the previous node's media gets MEDIA_NOT_OPEN from the new node.
 *
 * @throws FlotillaError MIGRATION_NOT_ACTIVE when the named migration was rolled back or replaced.
 */
export function targetNode(membership: Membership, migrationId: string | undefined): string {
  if (migrationId === undefined) return membership.nodeId;
  if (membership.migration?.id !== migrationId) throw new FlotillaError('MIGRATION_NOT_ACTIVE');
  return membership.migration.toNode;
}
