export type Usage = 'underuse' | 'normal' | 'overuse';

/** Of the threshold per ms, when the trend is above and below it. libwebrtc's, as the trend is scaled as there. */
const [riseRate, fallRate] = [0.0087, 0.039];
/** Bounds and start of the threshold, ms (del_var_th of draft-ietf-rmcat-gcc-02 section 5.4). */
const [minThreshold, startThreshold, maxThreshold] = [6, 12.5, 600];
/** A trend that exceeds the threshold by more is an outlier, which does not adapt it, ms (section 5.4). */
const maxExcess = 15;
const maxStepMs = 100;
/** The trend must exceed the threshold for as long (overuse_time_th, section 5.4). */
const overuseTimeMs = 10;

/** Compares the trend with a threshold that adapts to it, so that flows that fill queues do not starve this one (section 5.4). */
export class OveruseDetector {
  usage: Usage = 'normal';
  #threshold = startThreshold;
  #updatedMs: number | undefined;
  #overuseMs: number | undefined;
  #aboveInARow = 0;
  #lastTrend = 0;

  /** @param spanMs time between the sending of the two groups. */
  update(trend: number, spanMs: number, atMs: number): Usage {
    if (trend > this.#threshold) {
      this.#overuseMs = this.#overuseMs === undefined ? spanMs / 2 : this.#overuseMs + spanMs;
      this.#aboveInARow++;
      if (this.#overuseMs > overuseTimeMs && this.#aboveInARow > 1 && trend >= this.#lastTrend) {
        this.#overuseMs = this.#aboveInARow = 0;
        this.usage = 'overuse';
      }
    } else {
      this.#overuseMs = undefined;
      this.#aboveInARow = 0;
      this.usage = trend < -this.#threshold ? 'underuse' : 'normal';
    }
    this.#lastTrend = trend;
    this.#adapt(Math.abs(trend), atMs);
    return this.usage;
  }

  #adapt(size: number, atMs: number): void {
    const elapsed = Math.max(0, Math.min(atMs - (this.#updatedMs ?? atMs), maxStepMs));
    this.#updatedMs = atMs;
    if (size > this.#threshold + maxExcess) return;
    const rate = size < this.#threshold ? fallRate : riseRate;
    const next = this.#threshold + rate * (size - this.#threshold) * elapsed;
    this.#threshold = Math.max(minThreshold, Math.min(next, maxThreshold));
  }
}
