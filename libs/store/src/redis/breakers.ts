import { OpenBreaker } from '@flotilla/contracts';
import { z } from 'zod';
import { type BreakerStore, breakersShownMs, maxShownBreakers } from '../store.ts';
import { readable } from './readable.ts';
import type { ScriptClient } from './script-client.ts';

const Report = z.array(OpenBreaker);

export class RedisBreakers implements BreakerStore {
  constructor(private readonly client: ScriptClient) {}

  async report(reporter: string, breakers: readonly OpenBreaker[]): Promise<void> {
    const report = breakers.length === 0 ? '' : JSON.stringify(breakers.slice(0, maxShownBreakers));
    await this.client.run('reportBreakers', { reporter, report, shownMs: breakersShownMs });
  }

  async list(): Promise<OpenBreaker[]> {
    return (await this.client.run('listBreakers', {})).flatMap((report) => readable(Report, report) ?? []);
  }
}
