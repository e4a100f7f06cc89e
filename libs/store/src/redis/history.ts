import { keptMigrations, MigrationRecord, type MigrationReport } from '@flotilla/contracts';
import { closed, type MigrationHistory } from '../history.ts';
import type { Keys } from './keys.ts';
import type { ScriptClient } from './script-client.ts';

export class RedisHistory implements MigrationHistory {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async remember(record: MigrationRecord): Promise<void> {
    const { keys } = this;
    await this.client.run(
      'rememberMigration',
      keys.history(),
      keys.historyOrder(),
      record.id,
      record.startedAt,
      JSON.stringify(record),
      keptMigrations,
    );
  }

  async report(id: string, sessionId: string, report: MigrationReport): Promise<boolean> {
    const key = this.keys.history();
    return (await this.client.run<number>('reportMigration', key, id, sessionId, JSON.stringify(report))) === 1;
  }

  async recent(): Promise<MigrationRecord[]> {
    const texts = await this.client.do((redis) => redis.hvals(this.keys.history()));
    const now = Date.now();
    return texts
      .map((text) => closed(MigrationRecord.parse(JSON.parse(text)), now))
      .sort((a, b) => b.startedAt - a.startedAt);
  }
}
