import { CircuitState, type IBreaker } from 'cockatiel';

export interface StreakLimits {
  /** Number of consecutive failures that open a breaker. */
  readonly failures: number;
  /** Time from the beginning of the first of them until the breaker may open, ms. */
  readonly lastingMs: number;
}

/**
 * Opens a breaker after consecutive failures. A call that began before the last answer does not count: of a burst to a queue with two
 * consumers, one of which hangs, half is answered at once and the other half times out later, one after the other.
 */
export class FailureStreak implements IBreaker {
  /** Required by the interface, for breakers that are stored. */
  state: unknown;
  #failures = 0;
  #beganAt = Infinity;
  #answeredAt = -Infinity;

  constructor(private readonly limits: StreakLimits) {}

  get failures(): number {
    return this.#failures;
  }

  answered(): void {
    this.#failures = 0;
    this.#beganAt = Infinity;
    this.#answeredAt = performance.now();
  }

  /** Whether the failure of a call that began then counts. */
  failed(beganAt: number): boolean {
    if (beganAt < this.#answeredAt) return false;
    this.#failures++;
    this.#beganAt = Math.min(this.#beganAt, beganAt);
    return true;
  }

  success(): void {}

  failure(state: CircuitState): boolean {
    if (state === CircuitState.HalfOpen) return true;
    const { failures, lastingMs } = this.limits;
    return this.#failures >= failures && performance.now() - this.#beganAt >= lastingMs;
  }
}
