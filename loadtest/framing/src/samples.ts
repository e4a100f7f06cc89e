import { percentile } from '@flotilla/loadtest-kit';

/** Durations of single operations. */
export class Samples {
  readonly #microseconds: number[] = [];

  add(microseconds: number): void {
    this.#microseconds.push(microseconds);
  }

  /** Nearest-rank percentiles in microseconds. */
  percentiles(): { p50: number; p95: number; p99: number } {
    const sorted = this.#microseconds.toSorted((a, b) => a - b);
    const at = (share: number): number => percentile(sorted, share) ?? Number.NaN;
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  }
}
