import type { Drift } from './clock-filter.ts';
import { frequencyTolerance, type Sample } from './sample.ts';

/** Number of samples in the regression: five minutes at one per 5 s. */
const maxSamples = 64;

/** Fewer samples do not show the usual delay of the path. */
const minSamples = 8;

/** Drift before it is measured. Quartz is specified to 100 ppm or better. */
const unknown: Drift = { ratio: 0, tolerance: 100e-6 };

/** Bound on the drift of a working clock (RFC 5905, appendix A.5.5.6). */
const maxRatio = 500e-6;

/**
 * Measures the drift of the server's clock against the local one: the slope of a least-squares line through the newest offsets,
 * weighted by the inverse square of the queueing delay. Used once its error bound is below that of an unmeasured quartz.
 */
export class DriftMeter {
  readonly #samples: Sample[] = [];
  #drift = unknown;

  get drift(): Drift {
    return this.#drift;
  }

  add(sample: Sample): void {
    this.#samples.push(sample);
    if (this.#samples.length > maxSamples) this.#samples.shift();
    if (this.#samples.length >= minSamples) this.#drift = this.#fit() ?? this.#drift;
  }

  /** Drops the samples after a step of the server's clock. The measured rate stays valid. */
  clear(): void {
    this.#samples.length = 0;
  }

  #fit(): Drift | undefined {
    const leastMs = Math.min(...this.#samples.map(({ delayMs }) => delayMs));
    const base = this.#samples[0]!;
    const points = this.#samples.map(({ atMs, offsetMs, delayMs, dispersionMs }) => {
      const queuedMs = dispersionMs + (delayMs - leastMs) / 2;
      return {
        x: atMs - base.atMs,
        y: offsetMs - base.offsetMs,
        queuedMs,
        errorMs: dispersionMs + delayMs / 2,
        weight: queuedMs ** -2,
      };
    });
    const weights = sum(points, ({ weight }) => weight);
    const middleX = sum(points, ({ x, weight }) => x * weight) / weights;
    const middleY = sum(points, ({ y, weight }) => y * weight) / weights;
    const spread = sum(points, ({ x, weight }) => weight * (x - middleX) ** 2);
    const ratio = sum(points, ({ x, y, weight }) => weight * (x - middleX) * (y - middleY)) / spread;
    /** Error of the slope when every point is off by its whole error, in the worse direction. */
    const worst = (errorOf: (point: (typeof points)[number]) => number): number =>
      sum(points, (point) => point.weight * Math.abs(point.x - middleX) * errorOf(point)) / spread;
    // Fails, among others, when all samples were taken at one time.
    const isGood = Math.abs(ratio) <= maxRatio && worst(({ queuedMs }) => queuedMs) < unknown.tolerance;
    if (!isGood) return undefined;
    // The slope assumes usual queueing delays; its tolerance does not.
    const tolerance = Math.min(
      unknown.tolerance + Math.abs(ratio),
      worst(({ errorMs }) => errorMs),
    );
    return { ratio, tolerance: Math.max(tolerance, frequencyTolerance) };
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
