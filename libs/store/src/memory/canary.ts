import type { Canary, CanaryOrder } from '@flotilla/contracts';
import { type CanaryRules, rulesOf } from '../canary-side.ts';
import type { CanaryStore, StoredCanary } from '../store.ts';

/** The one process has one leader: terms are not compared. */
export class MemoryCanary implements CanaryStore {
  #stored: StoredCanary | undefined;

  get rules(): CanaryRules | undefined {
    return this.#stored && rulesOf(this.#stored.canary);
  }

  async read(): Promise<StoredCanary | undefined> {
    return this.#stored;
  }

  async write(_term: number, canary: Canary, evidence: string, done?: CanaryOrder): Promise<boolean> {
    const order = this.#stored?.order;
    const isDone = done !== undefined && JSON.stringify(order) === JSON.stringify(done);
    this.#stored = { canary, evidence, order: isDone ? undefined : order };
    return true;
  }

  async order(order: CanaryOrder): Promise<boolean> {
    if (!this.#stored) return false;
    this.#stored = { ...this.#stored, order };
    return true;
  }

  async remove(_term: number): Promise<void> {
    this.#stored = undefined;
  }
}
