import { RunningExperiment, ScalingRecord } from '@flotilla/contracts';
import type { OperationsStore } from '../store.ts';
import type { Keys } from './keys.ts';
import { readable } from './readable.ts';
import type { ScriptClient } from './script-client.ts';

export class RedisOperations implements OperationsStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async recordScaling(record: ScalingRecord): Promise<void> {
    await this.client.run('recordScaling', { at: record.at, record: JSON.stringify(record) });
  }

  async scalings(): Promise<ScalingRecord[]> {
    const records = await this.client.do((redis) => redis.zrange(this.keys.scalings(), 0, '-1'));
    return records.toReversed().flatMap((record) => readable(ScalingRecord, record) ?? []);
  }

  async announce(experiment: RunningExperiment): Promise<boolean> {
    const { name, startedAt, endsAt } = experiment;
    const record = JSON.stringify(experiment);
    return (await this.client.run('announceExperiment', { name, record, ms: endsAt - startedAt })) === 1;
  }

  async end(name: string): Promise<void> {
    await this.client.do((redis) => redis.hdel(this.keys.experiments(), name));
  }

  async experiments(): Promise<RunningExperiment[]> {
    const records = await this.client.run('listExperiments', {});
    const running = records.flatMap((record) => readable(RunningExperiment, record) ?? []);
    return running.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }
}
