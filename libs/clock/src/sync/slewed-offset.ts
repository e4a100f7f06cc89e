/** An error of this size or more is a step (STEPT of RFC 5905, section 7.2 ff.), in ms. */
export const stepThresholdMs = 128;

/** Maximum rate change while a small error is slewed. */
const maxSlew = 5e-3;

/** Rate after a step back, until the offset is reached. */
const catchUp = 0.5;

/**
 * The offset of a clock from a local one. Local time plus offset is monotonic, however the target moves:
 * - an error below 128 ms is slewed over `spreadMs`, by at most 5,000 ppm (5 ms per second);
 * - a larger error forward is a jump;
 * - a larger error back makes time run at half speed, for twice the step.
 */
export class SlewedOffset {
  readonly #spreadMs: number;
  #refMs: number;
  #refOffsetMs: number;
  #drift = 0;
  /** Correction that is added to the offset linearly during `#overMs` after the reference, in ms. */
  #correctionMs = 0;
  #overMs = 1;

  /** `offsetMs` is the initial offset; small errors are slewed over `spreadMs`. */
  constructor(offsetMs: number, spreadMs: number) {
    this.#refMs = 0;
    this.#refOffsetMs = offsetMs;
    this.#spreadMs = spreadMs;
  }

  /** The offset at a local time, in ms. */
  at(localMs: number): number {
    const sinceMs = localMs - this.#refMs;
    const done = Math.min(Math.max(sinceMs / this.#overMs, 0), 1);
    return this.#refOffsetMs + this.#drift * sinceMs + this.#correctionMs * done;
  }

  /** Target minus current offset, in ms. */
  remainingMs(localMs: number): number {
    const done = Math.min(Math.max((localMs - this.#refMs) / this.#overMs, 0), 1);
    return this.#correctionMs * (1 - done);
  }

  /** Sets the target offset, which changes by `drift` ms per ms from now on. Returns whether the change is a step. */
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

  /** Sets the offset at once, even if time goes back: for use before the first read. */
  set(offsetMs: number, localMs: number, drift = 0): void {
    this.#refMs = localMs;
    this.#refOffsetMs = offsetMs;
    this.#drift = drift;
    this.#correctionMs = 0;
    this.#overMs = 1;
  }
}
