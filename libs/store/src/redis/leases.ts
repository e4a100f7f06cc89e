import type { LeaseStore } from '../store.ts';
import type { Keys } from './keys.ts';
import type { ScriptClient } from './script-client.ts';

/** Leases as keys that Redis lets expire. After a failover two may hold one for the rest of its time, see RedisStore. */
export class RedisLeases implements LeaseStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async acquire(name: string, holder: string, ttlMs: number): Promise<number | undefined> {
    const term = await this.client.run<number | null>(
      'acquireLease',
      this.keys.lease(name),
      this.keys.leaseTerms(),
      holder,
      ttlMs,
      name,
    );
    return term ?? undefined;
  }

  async renew(name: string, holder: string, ttlMs: number): Promise<boolean> {
    return (await this.client.run<number>('renewLease', this.keys.lease(name), holder, ttlMs)) === 1;
  }

  async release(name: string, holder: string): Promise<void> {
    await this.client.run('releaseLease', this.keys.lease(name), holder);
  }
}
