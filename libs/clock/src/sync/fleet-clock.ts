import { type Exchange, sampleOf } from './sample.ts';
import { combine, truechimers } from './selection.ts';
import { SlewedOffset } from './slewed-offset.ts';
import { type Estimate, TimeSource } from './time-source.ts';

export interface FleetClockOptions {
  /** A monotonic clock in ms. Default `performance.now`. */
  readonly localNow?: () => number;
  /** Zero of the local clock by the machine's clock, in ms since the Unix epoch. Default `performance.timeOrigin`. */
  readonly localEpochMs?: number;
  /** Interval between calibrations, in ms. Small errors are slewed over it. Default 5000. */
  readonly intervalMs?: number;
}

/** Number of samples of one source from which the clock counts as calibrated. */
const calibratedFrom = 4;

/** Maximum number of sources; `add` throws above it. */
export const maxSources = 16;

/**
 * The fleet's time, from exchanges with one or several sources (RFC 5905: clock filter, selection, combination). It is monotonic.
 * Before the first agreement it is the machine's own time.
 */
export class FleetClock {
  readonly #localNow: () => number;
  readonly #sources = new Map<string, TimeSource>();
  readonly #offset: SlewedOffset;
  readonly #localEpochMs: number;
  /** The newest estimate that a majority agreed on, and its local time. */
  #agreed: { readonly atMs: number; readonly estimate: Estimate } | undefined;
  /** Newest value that `now` returned, in ms since the Unix epoch. */
  #lastReturnedMs = -Infinity;
  #steps = 0;
  #calibrated = false;

  constructor({
    localNow = () => performance.now(),
    localEpochMs = performance.timeOrigin,
    intervalMs = 5000,
  }: FleetClockOptions = {}) {
    this.#localNow = localNow;
    this.#localEpochMs = localEpochMs;
    this.#offset = new SlewedOffset(localEpochMs, intervalMs);
  }

  /** The fleet's time in ms since the Unix epoch, with sub-millisecond digits. Never less than a value it returned before. */
  now(): number {
    return (this.#lastReturnedMs = Math.max(this.#lastReturnedMs, this.at(this.#localNow())));
  }

  /** The fleet's time at a local time near now (ms of the local clock, such as `performance.now`). */
  at(localMs: number): number {
    return localMs + this.#offset.at(localMs);
  }

  /** Bound on the error of `now`, in ms, provided that most sources are truechimers. Infinity: unknown. */
  get errorBoundMs(): number {
    if (!this.#agreed) return Infinity;
    const { atMs, estimate } = this.#agreed;
    const localMs = this.#localNow();
    const agedMs = estimate.drift.tolerance * (localMs - atMs);
    return estimate.errorBoundMs + agedMs + Math.abs(this.#offset.remainingMs(localMs));
  }

  /** The fleet's time minus the machine's clock as it was when the process started, in ms. */
  get offsetMs(): number {
    return this.#offset.at(this.#localNow()) - this.#localEpochMs;
  }

  /** Rate of the fleet's time against the local clock, less 1. */
  get drift(): number {
    return this.#agreed?.estimate.drift.ratio ?? 0;
  }

  /** Number of corrections of 128 ms or more. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether a majority of sources has agreed at least once, with at least four samples. */
  get calibrated(): boolean {
    return this.#calibrated;
  }

  /**
   * Adds an exchange with a source, which the next `update` uses. Returns false for an exchange with impossible timestamps.
   *
   * @throws RangeError for more than 16 sources.
   */
  add(exchange: Exchange, source = 'default'): boolean {
    const sample = sampleOf(exchange);
    if (sample) this.#source(source).add(sample);
    return sample !== undefined;
  }

  /** Records a poll of a source without a usable time. After eight in a row the source is ignored until its next sample. */
  missed(source = 'default'): void {
    this.#sources.get(source)?.missed();
  }

  /** Adjusts the clock to the majority of sources. Returns whether there is one; without it the clock free-runs. */
  update(): boolean {
    const localMs = this.#localNow();
    const estimates = [...this.#sources.values()].flatMap((source) => source.estimate(localMs) ?? []);
    const survivors = truechimers(estimates);
    if (survivors.length === 0) return false;
    const estimate = combine(survivors);
    this.#follow(estimate.offsetMs, localMs, estimate.drift.ratio);
    this.#agreed = { atMs: localMs, estimate };
    this.#calibrated ||= estimate.samples >= calibratedFrom;
    return true;
  }

  /** Adjusts to the machine's clock (ms since the Unix epoch). The error bound stays unknown. */
  followMachineClock(unixMs: number): void {
    const localMs = this.#localNow();
    this.#follow(unixMs - localMs, localMs, 0);
  }

  #follow(offsetMs: number, localMs: number, drift: number): void {
    if (this.#lastReturnedMs === -Infinity) this.#offset.set(offsetMs, localMs, drift);
    else if (this.#offset.aim(offsetMs, localMs, drift)) this.#steps++;
  }

  #source(name: string): TimeSource {
    let source = this.#sources.get(name);
    if (!source) {
      if (this.#sources.size >= maxSources) throw new RangeError(`more than ${maxSources} sources of time`);
      this.#sources.set(name, (source = new TimeSource()));
    }
    return source;
  }
}
