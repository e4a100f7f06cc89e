import type { Drift } from './clock-filter.ts';
import { frequencyTolerance, type Sample } from './sample.ts';

/** Samples looked at: five minutes at one in 5 s. */
const kept = 64;

/** Fewer say nothing of what is usual on the path. */
const leastSamples = 8;

/** Quartz is specified to 100 ppm or better. */
const unknown: Drift = { ratio: 0, tolerance: 100e-6 };

/** No clock that works is farther off (RFC 5905, appendix A.5.5.6). */
const maxRatio = 500e-6;

/**
 * How fast the server's clock runs against the local one: the slope of a line through the newest offsets (least squares), each
 * weighed by what it spent in queues. It is used once it says more than the data sheet of a quartz.
 */
export class DriftMeter {
  readonly #samples: Sample[] = [];
  #drift = unknown;

  get drift(): Drift {
    return this.#drift;
  }

  add(sample: Sample): void {
    this.#samples.push(sample);
    if (this.#samples.length > kept) this.#samples.shift();
    if (this.#samples.length >= leastSamples) this.#drift = this.#fit() ?? this.#drift;
  }

  /** Forgets the samples, as the server's clock was set. Its rate is still what it was. */
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
    /** How wrong the slope is if every point is off by all of an error, each to the worse side. */
    const worst = (errorOf: (point: (typeof points)[number]) => number): number =>
      sum(points, (point) => point.weight * Math.abs(point.x - middleX) * errorOf(point)) / spread;
    // Not so where all came at one time.
    const isGood = Math.abs(ratio) <= maxRatio && worst(({ queuedMs }) => queuedMs) < unknown.tolerance;
    if (!isGood) return undefined;
    // Usual queues tell the slope; what it may be off by is said without any trust in what is usual.
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
