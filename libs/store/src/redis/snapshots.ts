import { snapshotKeptMs, type SnapshotStore, type StoredSnapshot } from '../store.ts';
import type { ScriptClient } from './script-client.ts';

export class RedisSnapshots implements SnapshotStore {
  constructor(private readonly client: ScriptClient) {}

  async lock(name: string, holder: string, ttlMs: number): Promise<boolean> {
    return (await this.client.run('lockSnapshot', { name, holder, ms: ttlMs })) === 1;
  }

  async renew(name: string, holder: string, ttlMs: number): Promise<boolean> {
    return (await this.client.run('renewSnapshotLock', { name, holder, ms: ttlMs })) === 1;
  }

  async unlock(name: string, holder: string): Promise<void> {
    await this.client.run('unlockSnapshot', { name, holder });
  }

  async read(name: string, known: string): Promise<StoredSnapshot | undefined> {
    const found = await this.client.run('readSnapshot', { name, known });
    if (!found) return undefined;
    const [version, ageMs, text] = found;
    return { version, ageMs: Number(ageMs), text };
  }

  async write(name: string, holder: string, { version, ageMs, text }: StoredSnapshot): Promise<boolean> {
    const written = await this.client.run('writeSnapshot', {
      name,
      holder,
      version,
      ageMs: Math.ceil(ageMs),
      text,
      keptMs: snapshotKeptMs,
    });
    return written === 1;
  }
}
