import { type MigrationRecord, type MigrationReport, migrationTimeoutMs } from '@flotilla/contracts';

/** The last migrations of the fleet, `keptMigrations` of them: for people to look at. Nothing is decided by it. */
export interface MigrationHistory {
  /** Writes a migration down, or what is new about it. */
  remember(record: MigrationRecord): Promise<void>;

  /** Adds what the client measured, once. False for a migration that is forgotten, of another session, or has it already. */
  report(migrationId: string, sessionId: string, report: MigrationReport): Promise<boolean>;

  /** The newest first. */
  recent(): Promise<MigrationRecord[]>;
}

/** Twice the time that any takes: its member left meanwhile, or whoever should have said how it ended is gone. */
const forgottenAfterMs = 2 * migrationTimeoutMs;

/** A migration that nobody said the end of did not come about. */
export function closed(record: MigrationRecord, now: number): MigrationRecord {
  const { startedAt, endedAt } = record;
  if (endedAt !== undefined || startedAt + forgottenAfterMs > now) return record;
  return { ...record, end: 'rolled_back', endedAt: startedAt + migrationTimeoutMs };
}
