import { keptMigrations, type MigrationRecord, type MigrationReport } from '@flotilla/contracts';
import type { MigrationHistory } from '../history.ts';

/** The newest migrations, in this process. */
export class MemoryHistory implements MigrationHistory {
  readonly #records = new Map<string, MigrationRecord>();

  /** Writes what is new about a migration. */
  write(migration: MigrationRecord & { readonly deadline?: number }): void {
    const { deadline: _deadline, ...record } = migration;
    this.#records.set(record.id, { ...this.#records.get(record.id), ...record });
    if (this.#records.size <= keptMigrations) return;
    const oldest = [...this.#records.values()].reduce((a, b) => (b.startedAt < a.startedAt ? b : a));
    this.#records.delete(oldest.id);
  }

  async report(id: string, sessionId: string, report: MigrationReport): Promise<boolean> {
    const record = this.#records.get(id);
    if (record?.sessionId !== sessionId || record.ms !== undefined) return false;
    this.#records.set(id, { ...record, ...report });
    return true;
  }

  async recent(): Promise<MigrationRecord[]> {
    return [...this.#records.values()].sort((a, b) => b.startedAt - a.startedAt);
  }
}
