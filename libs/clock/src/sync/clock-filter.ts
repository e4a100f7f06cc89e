import type { Sample } from './sample.ts';

/** NSTAGE of RFC 5905, section 7.2. */
const stages = 8;

export interface Drift {
  /** Rate of the server's clock against the local one, less 1. */
  readonly ratio: number;
  /** Bound on the error of `ratio`. */
  readonly tolerance: number;
}

/** Error bound of a sample at a local time, in ms: half its delay, its dispersion, and the possible drift since. */
export function distanceOf({ atMs, delayMs, dispersionMs }: Sample, nowMs: number, { tolerance }: Drift): number {
  return delayMs / 2 + dispersionMs + tolerance * Math.abs(nowMs - atMs);
}

/** Offset of a sample extrapolated to a local time, in ms. */
export function offsetAt({ atMs, offsetMs }: Sample, nowMs: number, { ratio }: Drift): number {
  return offsetMs + ratio * (nowMs - atMs);
}

/**
 * The clock filter of RFC 5905, section 10: selects the sample with the least distance among the last eight, because queueing only
 * ever adds delay. The possible drift since a sample counts as distance.
 */
export class ClockFilter {
  readonly #samples: Sample[] = [];

  add(sample: Sample): void {
    this.#samples.push(sample);
    if (this.#samples.length > stages) this.#samples.shift();
  }

  clear(): void {
    this.#samples.length = 0;
  }

  get size(): number {
    return this.#samples.length;
  }

  /** The sample with the least distance; undefined without samples. */
  best(nowMs: number, drift: Drift): Sample | undefined {
    let best: Sample | undefined;
    for (const sample of this.#samples)
      if (!best || distanceOf(sample, nowMs, drift) < distanceOf(best, nowMs, drift)) best = sample;
    return best;
  }

  /** Root mean square of the differences from the best sample, in ms. */
  jitterMs(nowMs: number, drift: Drift): number {
    const best = this.best(nowMs, drift);
    if (!best || this.#samples.length < 2) return 0;
    const offset = offsetAt(best, nowMs, drift);
    const squares = this.#samples.reduce((sum, sample) => sum + (offsetAt(sample, nowMs, drift) - offset) ** 2, 0);
    return Math.sqrt(squares / (this.#samples.length - 1));
  }
}
