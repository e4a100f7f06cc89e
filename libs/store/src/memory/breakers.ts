import type { OpenBreaker } from '@flotilla/contracts';
import { type BreakerStore, breakersShownMs, maxShownBreakers } from '../store.ts';

export class MemoryBreakers implements BreakerStore {
  readonly #reports = new Map<string, { breakers: readonly OpenBreaker[]; until: number }>();

  constructor(private readonly now: () => number) {}

  async report(reporter: string, breakers: readonly OpenBreaker[]): Promise<void> {
    if (breakers.length === 0) this.#reports.delete(reporter);
    else
      this.#reports.set(reporter, {
        breakers: breakers.slice(0, maxShownBreakers),
        until: this.now() + breakersShownMs,
      });
  }

  async list(): Promise<OpenBreaker[]> {
    for (const [reporter, { until }] of this.#reports) if (until < this.now()) this.#reports.delete(reporter);
    return [...this.#reports.values()].flatMap(({ breakers }) => breakers);
  }
}
