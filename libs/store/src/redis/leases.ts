import type { LeaseStore } from '../store.ts';
import type { ScriptClient } from './script-client.ts';

/** Leases as expiring keys. After a failover two processes may hold a lease until its time ends, see RedisStore. */
export class RedisLeases implements LeaseStore {
  constructor(private readonly client: ScriptClient) {}

  async acquire(name: string, holder: string, ttlMs: number): Promise<number | undefined> {
    return (await this.client.run('acquireLease', { name, holder, ms: ttlMs })) ?? undefined;
  }

  async renew(name: string, holder: string, ttlMs: number): Promise<boolean> {
    return (await this.client.run('renewLease', { name, holder, ms: ttlMs })) === 1;
  }

  async release(name: string, holder: string): Promise<void> {
    await this.client.run('releaseLease', { name, holder });
  }
}
