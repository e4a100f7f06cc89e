/** Weight of a new sample. */
const weight = 0.05;
/** Bounds of the variance, in kbit/s, normalised by the estimate. */
const [minVariance, startVariance, maxVariance] = [0.4, 0.4, 2.5];

/** Mean and deviation of the acknowledged bit rates at which the path was overused (draft-ietf-rmcat-gcc-02 section 5.5). */
export class LinkCapacity {
  #kbps: number | undefined;
  #variance = startVariance;

  get isKnown(): boolean {
    return this.#kbps !== undefined;
  }

  add(bitrate: number): void {
    const sample = bitrate / 1000;
    const last = this.#kbps ?? sample;
    const error = last - sample;
    this.#kbps = (1 - weight) * last + weight * sample;
    const variance = (1 - weight) * this.#variance + (weight * error * error) / Math.max(this.#kbps, 1);
    this.#variance = Math.max(minVariance, Math.min(variance, maxVariance));
  }

  /** Whether a bit rate is more than three standard deviations away. */
  excludes(bitrate: number): boolean {
    if (this.#kbps === undefined) return false;
    return Math.abs(bitrate / 1000 - this.#kbps) > 3 * Math.sqrt(this.#variance * this.#kbps);
  }

  reset(): void {
    this.#kbps = undefined;
    this.#variance = startVariance;
  }
}
