import type { MigrationRecord, MigrationReport } from '@flotilla/contracts';

/**
 * The newest `keptMigrations` migrations of the fleet, for operators and the canary, which takes the gaps that clients
 * report as samples. Written by the steps of migrations, see MigrationStore.
 */
export interface MigrationHistory {
  /** Adds the client's report, once. False for a migration that is not kept, is another session's, or has a report. */
  report(migrationId: string, sessionId: string, report: MigrationReport): Promise<boolean>;

  /** The newest first. */
  recent(): Promise<MigrationRecord[]>;
}
