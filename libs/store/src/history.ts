import type { MigrationRecord, MigrationReport } from '@flotilla/contracts';

/**
 * The newest migrations of the fleet, `keptMigrations` of them, for people to look at; nothing is decided by it. Written by the
 * steps of the migrations themselves, see MigrationStore.
 */
export interface MigrationHistory {
  /** Adds what the client measured, once. False for a migration that is not kept, is another session's, or has a report. */
  report(migrationId: string, sessionId: string, report: MigrationReport): Promise<boolean>;

  /** The newest first. */
  recent(): Promise<MigrationRecord[]>;
}
