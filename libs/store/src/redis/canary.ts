import { Canary, CanaryOrder } from '@flotilla/contracts';
import { rulesOf } from '../canary-side.ts';
import type { CanaryStore, StoredCanary } from '../store.ts';
import type { Keys } from './keys.ts';
import { readable } from './readable.ts';
import type { ScriptClient } from './script-client.ts';

export class RedisCanary implements CanaryStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async read(): Promise<StoredCanary | undefined> {
    const [record, evidence, order] = await this.client.do((redis) =>
      redis.hmget(this.keys.canary(), 'record', 'evidence', 'order'),
    );
    const canary = record ? readable(Canary, record) : undefined;
    if (!canary) return undefined;
    return { canary, evidence: evidence ?? '', order: order ? readable(CanaryOrder, order) : undefined };
  }

  async write(term: number, canary: Canary, evidence: string, done?: CanaryOrder): Promise<boolean> {
    const { stable, previous = '', candidate = '', share, excluded } = rulesOf(canary);
    const written = await this.client.run('writeCanary', {
      term,
      record: JSON.stringify(canary),
      evidence,
      stable,
      previous,
      candidate,
      share,
      excluded: excluded.map((version) => ` ${version} `).join(''),
      done: done ? JSON.stringify(done) : '',
    });
    return written === 1;
  }

  async order(order: CanaryOrder): Promise<boolean> {
    return (await this.client.run('orderCanary', { order: JSON.stringify(order) })) === 1;
  }

  async remove(term: number): Promise<void> {
    await this.client.run('removeCanary', { term });
  }
}
