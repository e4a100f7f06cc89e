import type { Drift } from './clock-filter.ts';
import { frequencyTolerance, type Sample } from './sample.ts';

/** Samples looked at: five minutes at one in 5 s. */
const kept = 64;

/** What is believed of a clock that was not watched yet: quartz is specified to 100 ppm or better. */
const unknown: Drift = { ratio: 0, tolerance: 100e-6 };

/** No clock that works is farther off (RFC 5905, appendix A.5.5.6). */
const maxRatio = 500e-6;

/**
 * How fast the server's clock runs against the local one: the slope of a line through the newest offsets (least squares), each
 * weighed by what it spent in queues. Until the line says more than the data sheet of a quartz, the drift is taken for none.
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
    const line = this.#fit();
    if (line && line.tolerance < unknown.tolerance && Math.abs(line.ratio) <= maxRatio) this.#drift = line;
  }

  /** Forgets the samples, as the server's clock was set. Its rate is still what it was. */
  clear(): void {
    this.#samples.length = 0;
  }

  #fit(): Drift | undefined {
    if (this.#samples.length < 3) return undefined;
    const leastMs = Math.min(...this.#samples.map(({ delayMs }) => delayMs));
    const base = this.#samples[0]!;
    const points = this.#samples.map(({ atMs, offsetMs, delayMs, dispersionMs }) => {
      const errorMs = dispersionMs + (delayMs - leastMs) / 2;
      return { x: atMs - base.atMs, y: offsetMs - base.offsetMs, errorMs, weight: errorMs ** -2 };
    });
    const weights = sum(points, ({ weight }) => weight);
    const middleX = sum(points, ({ x, weight }) => x * weight) / weights;
    const middleY = sum(points, ({ y, weight }) => y * weight) / weights;
    const spread = sum(points, ({ x, weight }) => weight * (x - middleX) ** 2);
    if (spread === 0) return undefined;
    return {
      ratio: sum(points, ({ x, y, weight }) => weight * (x - middleX) * (y - middleY)) / spread,
      // The slope if every point were off by all of its error, each to the worse side.
      tolerance: Math.max(
        frequencyTolerance,
        sum(points, ({ x, errorMs, weight }) => weight * Math.abs(x - middleX) * errorMs) / spread,
      ),
    };
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
