import { ClockFilter, type Drift, distanceOf, offsetAt } from './clock-filter.ts';
import { DriftMeter } from './drift-meter.ts';
import type { Sample } from './sample.ts';

/** The offset of one source, with its error bound. */
export interface Estimate {
  /** Source's clock minus local clock, in ms. */
  readonly offsetMs: number;
  /** Root distance (RFC 5905, appendix A.5.5.2): bound on the error of the offset, in ms. Infinity: unknown. */
  readonly errorBoundMs: number;
  readonly drift: Drift;
  /** Number of samples in the clock filter. */
  readonly samples: number;
}

/** Number of consecutive samples that contradict the filter, and agree with each other, after which the source was stepped. */
const stepAfter = 3;

/** Differences below this never count as a contradiction, in ms. */
const agreementMs = 1;

/** Consecutive missed polls after which a source is unreachable (the reach register of RFC 5905, section 13, has eight bits). */
const unreachableAfter = 8;

/** One time source: its newest samples, filtered, and its measured drift. */
export class TimeSource {
  readonly #filter = new ClockFilter();
  readonly #meter = new DriftMeter();
  #contradictions: Sample[] = [];
  #missed = 0;

  /** Adds a sample. Samples that contradict the filter are held back until three in a row agree. */
  add(sample: Sample): void {
    this.#missed = 0;
    const best = this.#filter.best(sample.atMs, this.#meter.drift);
    if (!best || this.#agree(best, sample)) {
      this.#contradictions = [];
      this.#take(sample);
      return;
    }
    this.#contradictions = [...this.#contradictions.filter((other) => this.#agree(other, sample)), sample];
    if (this.#contradictions.length < stepAfter) return;
    this.#filter.clear();
    this.#meter.clear();
    for (const each of this.#contradictions.splice(0)) this.#take(each);
  }

  /** Records a poll without a usable time. */
  missed(): void {
    this.#missed++;
  }

  /** The estimate at a local time; undefined without samples or after eight missed polls. */
  estimate(nowMs: number): Estimate | undefined {
    const { drift } = this.#meter;
    const best = this.#filter.best(nowMs, drift);
    if (!best || this.#missed >= unreachableAfter) return undefined;
    return {
      offsetMs: offsetAt(best, nowMs, drift),
      errorBoundMs: best.rootMs + distanceOf(best, nowMs, drift) + this.#filter.jitterMs(nowMs, drift),
      drift,
      samples: this.#filter.size,
    };
  }

  #take(sample: Sample): void {
    this.#filter.add(sample);
    this.#meter.add(sample);
  }

  /** Whether both samples can be of the same clock, within their error bounds. */
  #agree(one: Sample, other: Sample): boolean {
    const { drift } = this.#meter;
    const apart = Math.abs(offsetAt(one, other.atMs, drift) - other.offsetMs);
    return apart <= distanceOf(one, other.atMs, drift) + distanceOf(other, other.atMs, drift) + agreementMs;
  }
}
