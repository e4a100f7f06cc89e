/** Of so many measurements the low quantile is taken: 10 s at two a second. */
const kept = 20;
const quantile = 0.2;
/** How fast the baseline follows upwards (half way in some 70 s at two a second) and downwards. */
const upWeight = 0.005;
const downWeight = 0.1;

/**
 * What a peer's round trip is when nothing stands in its way: a slow mean of the low quantile of the newest measurements.
 * Spikes and queues don't reach it, a path that became longer does after minutes, one that became shorter soon.
 */
export class RttBaseline {
  readonly #newest: number[] = [];
  #baseline: number | undefined;

  /** In milliseconds; 0 while nothing was measured. */
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
