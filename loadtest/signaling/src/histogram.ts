import { nearestRank } from '@flotilla/loadtest-kit';

/** Buckets per power of two: a relative error of at most 1.6 %. */
const steps = 64;
/** Upper limit, to which longer durations are clamped: 2 minutes in microseconds. */
const maxValue = 2 ** 27 - 1;
const buckets = indexOf(maxValue) + 1;

/** Counts of the non-empty buckets, flat: index, count, index, count. */
export type HistogramDelta = readonly number[];

function indexOf(value: number): number {
  if (value < 2 * steps) return value;
  const doublings = 31 - Math.clz32(value) - Math.log2(steps);
  return doublings * steps + (value >>> doublings);
}

/** The middle of a bucket. */
function valueOf(index: number): number {
  if (index < 2 * steps) return index;
  const doublings = Math.floor(index / steps) - 1;
  const low = index - doublings * steps;
  return (low + 0.5) * 2 ** doublings;
}

/** Histogram of durations in microseconds, with logarithmic buckets and constant memory. */
export class Histogram {
  readonly #counts = new Uint32Array(buckets);
  count = 0;
  max = 0;

  record(microseconds: number): void {
    const value = Math.min(Math.max(Math.round(microseconds), 0), maxValue);
    this.#counts[indexOf(value)]!++;
    this.count++;
    if (value > this.max) this.max = value;
  }

  add(delta: HistogramDelta): void {
    for (let at = 0; at < delta.length; at += 2) {
      const [index, count] = [delta[at]!, delta[at + 1]!];
      this.#counts[index]! += count;
      this.count += count;
      this.max = Math.max(this.max, valueOf(index));
    }
  }

  merge(other: Histogram): void {
    this.add(other.#counted());
  }

  #counted(): HistogramDelta {
    return [...this.#counts.entries()].filter(([, count]) => count > 0).flat();
  }

  /** Returns the counts since the last call. */
  take(): HistogramDelta {
    const delta = this.#counted();
    this.#counts.fill(0);
    this.count = 0;
    this.max = 0;
    return delta;
  }

  /** The nearest-rank percentile in milliseconds; `share` is between 0 and 1. Null when the histogram is empty. */
  percentile(share: number): number | null {
    if (this.count === 0) return null;
    let left = nearestRank(this.count, share);
    for (const [index, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return valueOf(index) / 1000;
    }
    return this.max / 1000;
  }
}
