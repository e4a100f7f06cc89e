/** Weight of a new value in the mean: four bad windows in a row change the group of a good peer. The median delays the first. */
const weight = 0.3;

/**
 * Smooths scores: an exponentially weighted mean of the median of the newest three. The median drops single outliers; the mean
 * keeps two bad samples in a row from changing the group of a good peer. It starts at 1.
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
