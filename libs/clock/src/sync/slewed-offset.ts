/** From here an error is a step (STEPT of RFC 5905, section 7.2 ff.), in ms. */
export const stepThresholdMs = 128;

/** Time runs faster or slower by this much at most while a small error goes away. */
const maxSlew = 5e-3;

/** After a step back time runs at half its speed until it is right. */
const catchUp = 0.5;

/**
 * The offset of a clock from a local one, such that local time plus offset never goes back, however the aim moves:
 * - an error below 128 ms goes away over `spreadMs`, at 5,000 ppm (5 ms a second) at most;
 * - a larger one forward is a jump;
 * - a larger one back is waited out: time runs at half speed until it is right, twice as long as the step.
 */
export class SlewedOffset {
  readonly #spreadMs: number;
  #refMs: number;
  #refOffsetMs: number;
  #drift = 0;
  /** What is added to the offset, evenly over `#overMs` after the reference. */
  #correctionMs = 0;
  #overMs = 1;

  /** Offset, in ms, that it begins with, and the time over which a small error goes away. */
  constructor(offsetMs: number, spreadMs: number) {
    this.#refMs = 0;
    this.#refOffsetMs = offsetMs;
    this.#spreadMs = spreadMs;
  }

  at(localMs: number): number {
    const sinceMs = localMs - this.#refMs;
    const done = Math.min(Math.max(sinceMs / this.#overMs, 0), 1);
    return this.#refOffsetMs + this.#drift * sinceMs + this.#correctionMs * done;
  }

  /** Where the offset is going, less where it is, in ms. */
  remainingMs(localMs: number): number {
    const done = Math.min(Math.max((localMs - this.#refMs) / this.#overMs, 0), 1);
    return this.#correctionMs * (1 - done);
  }

  /** From now on the offset ought to be this, and change by `drift` ms a ms. Returns whether that is a step. */
  aim(offsetMs: number, localMs: number, drift = 0): boolean {
    const now = this.at(localMs);
    const errorMs = offsetMs - now;
    const isStep = Math.abs(errorMs - this.remainingMs(localMs)) >= stepThresholdMs;
    this.set(errorMs >= stepThresholdMs ? offsetMs : now, localMs, drift);
    if (errorMs >= stepThresholdMs) return isStep;
    this.#correctionMs = errorMs;
    this.#overMs =
      errorMs <= -stepThresholdMs ? -errorMs / catchUp : Math.max(this.#spreadMs, Math.abs(errorMs) / maxSlew);
    return isStep;
  }

  /** The offset is this at once, even if time goes back: for when nobody was told the time yet. */
  set(offsetMs: number, localMs: number, drift = 0): void {
    this.#refMs = localMs;
    this.#refOffsetMs = offsetMs;
    this.#drift = drift;
    this.#correctionMs = 0;
    this.#overMs = 1;
  }
}
