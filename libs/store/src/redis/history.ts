import { MigrationRecord, type MigrationReport } from '@flotilla/contracts';
import type { MigrationHistory } from '../history.ts';
import type { Keys } from './keys.ts';
import { readable } from './readable.ts';
import type { ScriptClient } from './script-client.ts';

export class RedisHistory implements MigrationHistory {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async report(id: string, sessionId: string, report: MigrationReport): Promise<boolean> {
    const values = { migrationId: id, sessionId, report: JSON.stringify(report) };
    return (await this.client.run('reportMigration', values)) === 1;
  }

  async recent(): Promise<MigrationRecord[]> {
    const texts = await this.client.do((redis) => redis.hvals(this.keys.history()));
    return texts
      .map((text) => readable(MigrationRecord, text))
      .filter((record) => record !== undefined)
      .sort((a, b) => b.startedAt - a.startedAt);
  }
}
