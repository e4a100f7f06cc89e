import { ClockFilter, type Drift, distanceOf, offsetAt } from './clock-filter.ts';
import { DriftMeter } from './drift-meter.ts';
import type { Sample } from './sample.ts';

/** What one source says of the time. */
export interface Estimate {
  /** Source's clock minus local clock, in ms. */
  readonly offsetMs: number;
  /** Root distance (RFC 5905, appendix A.5.5.2): the offset is wrong by this much at most, in ms. Infinity: unknown. */
  readonly errorBoundMs: number;
  readonly drift: Drift;
  readonly samples: number;
}

/** So many samples in a row that contradict those before, and not each other, mean that the clock was set. */
const stepAfter = 3;

/** Differences below are never taken for a clock that was set. */
const agreementMs = 1;

/** Polls without an answer until a source is out of reach (the register of RFC 5905, section 13, is eight bits). */
const unreachableAfter = 8;

/** One server as seen from here: its newest samples, filtered, and the drift against it. */
export class TimeSource {
  readonly #filter = new ClockFilter();
  readonly #meter = new DriftMeter();
  #contradictions: Sample[] = [];
  #missed = 0;

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

  /** A poll was not answered, or not with a time. */
  missed(): void {
    this.#missed++;
  }

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

  /** Whether one clock can have given both. */
  #agree(one: Sample, other: Sample): boolean {
    const { drift } = this.#meter;
    const apart = Math.abs(offsetAt(one, other.atMs, drift) - other.offsetMs);
    return apart <= distanceOf(one, other.atMs, drift) + distanceOf(other, other.atMs, drift) + agreementMs;
  }
}
