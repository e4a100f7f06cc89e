import type { LeaseStore } from '../store.ts';

/** Leases within one process. */
export class MemoryLeases implements LeaseStore {
  readonly #leases = new Map<string, { holder: string; until: number }>();
  readonly #terms = new Map<string, number>();

  constructor(private readonly now: () => number) {}

  async acquire(name: string, holder: string, ttlMs: number): Promise<number | undefined> {
    if ((this.#leases.get(name)?.until ?? -Infinity) > this.now()) return undefined;
    this.#leases.set(name, { holder, until: this.now() + ttlMs });
    const term = (this.#terms.get(name) ?? 0) + 1;
    this.#terms.set(name, term);
    return term;
  }

  /** 0 when nobody has held the lease. */
  lastTerm(name: string): number {
    return this.#terms.get(name) ?? 0;
  }

  async renew(name: string, holder: string, ttlMs: number): Promise<boolean> {
    const lease = this.#leases.get(name);
    if (lease?.holder !== holder || lease.until <= this.now()) return false;
    this.#leases.set(name, { holder, until: this.now() + ttlMs });
    return true;
  }

  isHeldBy(name: string, holder: string): boolean {
    const lease = this.#leases.get(name);
    return lease?.holder === holder && lease.until > this.now();
  }

  async release(name: string, holder: string): Promise<void> {
    if (this.#leases.get(name)?.holder === holder) this.#leases.delete(name);
  }
}
