import { snapshotKeptMs, type SnapshotStore, type StoredSnapshot } from '../store.ts';
import { MemoryLeases } from './leases.ts';

export class MemorySnapshots implements SnapshotStore {
  readonly #snapshots = new Map<string, { version: string; text: string; builtAt: number; until: number }>();

  /** Locks expire as leases do. */
  readonly #locks: MemoryLeases;

  constructor(private readonly now: () => number) {
    this.#locks = new MemoryLeases(now);
  }

  async lock(name: string, holder: string, ttlMs: number): Promise<boolean> {
    return (await this.#locks.acquire(name, holder, ttlMs)) !== undefined;
  }

  renew(name: string, holder: string, ttlMs: number): Promise<boolean> {
    return this.#locks.renew(name, holder, ttlMs);
  }

  unlock(name: string, holder: string): Promise<void> {
    return this.#locks.release(name, holder);
  }

  async read(name: string, known: string): Promise<StoredSnapshot | undefined> {
    const found = this.#snapshots.get(name);
    if (!found || found.version === known || found.until < this.now()) return undefined;
    return { version: found.version, text: found.text, ageMs: this.now() - found.builtAt };
  }

  async write(name: string, holder: string, { version, text, ageMs }: StoredSnapshot): Promise<boolean> {
    if (!this.#locks.isHeldBy(name, holder)) return false;
    const now = this.now();
    this.#snapshots.set(name, { version, text, builtAt: now - ageMs, until: now + snapshotKeptMs });
    return true;
  }
}
