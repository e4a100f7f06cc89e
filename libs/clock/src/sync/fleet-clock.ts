import { type Exchange, sampleOf } from './sample.ts';
import { combine, truechimers } from './selection.ts';
import { SlewedOffset } from './slewed-offset.ts';
import { type Estimate, TimeSource } from './time-source.ts';

export interface FleetClockOptions {
  /** A monotonic clock in ms. Default `performance.now`. */
  readonly localNow?: () => number;
  /** What the local clock's zero is in ms since the Unix epoch, as far as this machine knows. Default `performance.timeOrigin`. */
  readonly localEpochMs?: number;
  /** How often it is calibrated, in ms: small errors go away over so long. Default 5000. */
  readonly intervalMs?: number;
}

/** Samples of a source until its filter means something. */
const calibratedFrom = 4;

/** Beyond it `add` throws. */
export const maxSources = 16;

/**
 * The fleet's time. It learns it from exchanges with one source or several (RFC 5905: clock filter, selection, combination) and
 * tells it so that it never goes back. Until it has learned anything it tells the machine's own time.
 */
export class FleetClock {
  readonly #localNow: () => number;
  readonly #sources = new Map<string, TimeSource>();
  readonly #offset: SlewedOffset;
  readonly #localEpochMs: number;
  /** The newest agreement, and the local time of it. */
  #agreed: { readonly atMs: number; readonly estimate: Estimate } | undefined;
  #told = -Infinity;
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

  /** The fleet's time in ms since the Unix epoch, with digits below the ms. Never less than what it told before. */
  now(): number {
    return (this.#told = Math.max(this.#told, this.at(this.#localNow())));
  }

  /** The fleet's time at a local time near now (ms of the local clock, such as `performance.now`). */
  at(localMs: number): number {
    return localMs + this.#offset.at(localMs);
  }

  /** `now` is wrong by this much at most, in ms, as long as most sources are honest. Infinity: unknown. */
  get errorBoundMs(): number {
    if (!this.#agreed) return Infinity;
    const { atMs, estimate } = this.#agreed;
    const localMs = this.#localNow();
    const agedMs = estimate.drift.tolerance * (localMs - atMs);
    return estimate.errorBoundMs + agedMs + Math.abs(this.#offset.remainingMs(localMs));
  }

  /** The fleet's time minus the machine's own as it was when the process began, in ms. */
  get offsetMs(): number {
    return this.#offset.at(this.#localNow()) - this.#localEpochMs;
  }

  /** How much faster the fleet's time runs than the local clock, in ms a ms. */
  get drift(): number {
    return this.#agreed?.estimate.drift.ratio ?? 0;
  }

  /** How often the fleet's time was set by 128 ms or more. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether a majority agreed on the time, after at least four samples. Stays true. */
  get calibrated(): boolean {
    return this.#calibrated;
  }

  /**
   * Takes an exchange with a source; `update` makes use of it. Returns false for one that can't have happened.
   *
   * @throws RangeError for a seventeenth source.
   */
  add(exchange: Exchange, source = 'default'): boolean {
    const sample = sampleOf(exchange);
    if (sample) this.#source(source).add(sample);
    return sample !== undefined;
  }

  /** A source was asked and did not tell the time. After eight times in a row it has no say until it does. */
  missed(source = 'default'): void {
    this.#sources.get(source)?.missed();
  }

  /** Follows what most sources say now. Returns whether they agree; while they don't, time goes on as it did. */
  update(): boolean {
    const localMs = this.#localNow();
    const estimates = [...this.#sources.values()].flatMap((source) => source.estimate(localMs) ?? []);
    const honest = truechimers(estimates);
    if (honest.length === 0) return false;
    const estimate = combine(honest);
    this.#follow(estimate.offsetMs, localMs, estimate.drift.ratio);
    this.#agreed = { atMs: localMs, estimate };
    this.#calibrated ||= estimate.samples >= calibratedFrom;
    return true;
  }

  /** Follows the machine's own clock, which is no source: how wrong it is stays unknown. */
  followOwn(unixMs: number): void {
    const localMs = this.#localNow();
    this.#follow(unixMs - localMs, localMs, 0);
  }

  #follow(offsetMs: number, localMs: number, drift: number): void {
    if (this.#told === -Infinity) this.#offset.set(offsetMs, localMs, drift);
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
