import { nearestRank } from '@flotilla/loadtest-kit';

/** Buckets per doubling: a value is known to within 1.6 %. */
const steps = 64;
/** Longer counts as this: 2 minutes in microseconds. */
const most = 2 ** 27 - 1;
const buckets = indexOf(most) + 1;

/** How often each of some buckets was hit, flat: index, count, index, count. */
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

/** Durations in microseconds, counted in buckets that grow with the value, so that any number of them takes the same room. */
export class Histogram {
  readonly #counts = new Uint32Array(buckets);
  count = 0;
  max = 0;

  record(microseconds: number): void {
    const value = Math.min(Math.max(Math.round(microseconds), 0), most);
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

  /** What was counted since the last time this was asked. */
  take(): HistogramDelta {
    const delta = this.#counted();
    this.#counts.fill(0);
    this.count = 0;
    this.max = 0;
    return delta;
  }

  /** The value, in milliseconds, below which a share of what was counted lies (nearest rank); null when nothing was. */
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
