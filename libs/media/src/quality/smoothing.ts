/** The share that a new value has in the mean. Three bad windows in a row, after the one that the median holds back, count. */
const weight = 0.3;

/**
 * Smooths scores: an exponentially weighted mean of the median of the newest three. The median lets no single sample
 * through, however far off; the mean keeps two in a row from turning a good peer into a bad one. It begins at 1, as if
 * all had been well.
 */
export class ScoreSmoother {
  #newest: readonly [number, number] = [1, 1];
  #mean = 1;

  get value(): number {
    return this.#mean;
  }

  /** Returns the smoothed score. */
  add(sample: number): number {
    const [older, newer] = this.#newest;
    const median = Math.max(Math.min(older, newer), Math.min(Math.max(older, newer), sample));
    this.#newest = [newer, sample];
    this.#mean += weight * (median - this.#mean);
    return this.#mean;
  }
}
