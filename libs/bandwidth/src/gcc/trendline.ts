import type { GroupDelta } from './arrival-groups.ts';

/** Number of groups that the line is fitted to. */
const windowGroups = 20;
/** Weight of the past in the smoothed delay. */
const smoothing = 0.9;
/** The slope counts for more groups the longer it has been measured, up to these. */
const maxGroups = 60;
const gain = 4;

interface Point {
  readonly atMs: number;
  readonly delayMs: number;
}

/**
 * The slope of the queuing delay: a line through the smoothed sum of the differences of the last groups, by least squares.
 * libwebrtc's filter, in place of the Kalman filter of draft-ietf-rmcat-gcc-02 section 5.3.
 */
export class Trendline {
  readonly #points: Point[] = [];
  #startMs: number | undefined;
  #delayMs = 0;
  #smoothedMs = 0;
  #groups = 0;

  /** Adds a difference. Returns the trend in ms, scaled to be compared with the threshold; 0 until the window is full. */
  add({ sentMs, arrivedMs, atMs }: GroupDelta): number {
    this.#startMs ??= atMs;
    this.#groups = Math.min(this.#groups + 1, maxGroups);
    this.#delayMs += arrivedMs - sentMs;
    this.#smoothedMs = smoothing * this.#smoothedMs + (1 - smoothing) * this.#delayMs;
    this.#points.push({ atMs: atMs - this.#startMs, delayMs: this.#smoothedMs });
    if (this.#points.length > windowGroups) this.#points.shift();
    return this.#points.length < windowGroups ? 0 : slope(this.#points) * this.#groups * gain;
  }

  reset(): void {
    this.#points.length = 0;
    this.#startMs = undefined;
    this.#delayMs = this.#smoothedMs = this.#groups = 0;
  }
}

function slope(points: readonly Point[]): number {
  let [atSum, delaySum] = [0, 0];
  for (const { atMs, delayMs } of points) {
    atSum += atMs;
    delaySum += delayMs;
  }
  const [atMean, delayMean] = [atSum / points.length, delaySum / points.length];
  let [numerator, denominator] = [0, 0];
  for (const { atMs, delayMs } of points) {
    numerator += (atMs - atMean) * (delayMs - delayMean);
    denominator += (atMs - atMean) ** 2;
  }
  return denominator > 0 ? numerator / denominator : 0;
}
