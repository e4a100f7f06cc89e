import { keptScalings, maxExperiments, type RunningExperiment, type ScalingRecord } from '@flotilla/contracts';
import type { OperationsStore } from '../store.ts';

export class MemoryOperations implements OperationsStore {
  #scalings: readonly ScalingRecord[] = [];
  readonly #experiments = new Map<string, { experiment: RunningExperiment; until: number }>();

  constructor(private readonly now: () => number) {}

  async recordScaling(record: ScalingRecord): Promise<void> {
    this.#scalings = [record, ...this.#scalings].toSorted((a, b) => b.at - a.at).slice(0, keptScalings);
  }

  async scalings(): Promise<ScalingRecord[]> {
    return [...this.#scalings];
  }

  async announce(experiment: RunningExperiment): Promise<boolean> {
    this.#removeEnded();
    const { name, startedAt, endsAt } = experiment;
    if (!this.#experiments.has(name) && this.#experiments.size >= maxExperiments) return false;
    this.#experiments.set(name, { experiment, until: this.now() + endsAt - startedAt });
    return true;
  }

  async end(name: string): Promise<void> {
    this.#experiments.delete(name);
  }

  async experiments(): Promise<RunningExperiment[]> {
    this.#removeEnded();
    const running = [...this.#experiments.values()].map(({ experiment }) => experiment);
    return running.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  #removeEnded(): void {
    for (const [name, { until }] of this.#experiments) if (until <= this.now()) this.#experiments.delete(name);
  }
}
