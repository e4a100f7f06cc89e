/** Number of measurements that the quantile is taken of: 10 s at two per second. */
const kept = 20;
const quantile = 0.2;
/** Weight of a new value in the mean: when it is higher (half way in some 70 s at two per second) and when it is lower. */
const upWeight = 0.005;
const downWeight = 0.1;

/**
 * A peer's round trip without queueing: a slow mean of the low quantile of the newest measurements. Spikes and queues do not
 * change it; a longer path does after minutes, a shorter one within seconds.
 */
export class RttBaseline {
  readonly #newest: number[] = [];
  #baseline: number | undefined;

  /** In milliseconds; 0 before the first measurement. */
  get valueMs(): number {
    return this.#baseline ?? 0;
  }

  add(rttMs: number): void {
    this.#newest.push(rttMs);
    if (this.#newest.length > kept) this.#newest.shift();
    const low = this.#newest.toSorted((a, b) => a - b)[Math.floor(quantile * (this.#newest.length - 1))]!;
    this.#baseline ??= low;
    this.#baseline += (low < this.#baseline ? downWeight : upWeight) * (low - this.#baseline);
  }
}
