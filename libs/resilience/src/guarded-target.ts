import {
  BrokenCircuitError,
  bulkhead,
  BulkheadRejectedError,
  circuitBreaker,
  CircuitState,
  handleWhenResult,
} from 'cockatiel';
import { CallRefused } from './call-refused.ts';
import { FailureStreak, type StreakLimits } from './failure-streak.ts';

/**
 * What a call says about its target. `answered`: it works, also when it refused, such as with NOT_FOUND. `failed`: it did not answer in time,
 * or answered that it is unavailable. `unknown`: nothing, because what leads to it failed. `absent`: it does not exist any more.
 */
export type CallOutcome = 'answered' | 'failed' | 'unknown' | 'absent';

export type Settled<T> = { readonly value: T } | { readonly error: unknown };
export type OutcomeOf<T> = (settled: Settled<T>) => CallOutcome;

/** What is called. */
export interface Target {
  /** Kind of service: a label of metrics. */
  readonly kind: string;
  /** Name of the service, or of one of its instances. */
  readonly name: string;
  /** Whether it is one instance of several: others can be called instead. */
  readonly isInstance: boolean;
}

export interface TargetLimits {
  readonly streak: StreakLimits;
  /** Time from the opening of the breaker to the next trial call, ms. */
  readonly halfOpenMs: number;
  /** Maximum number of calls to the target at a time. */
  readonly calls: number;
}

export type BreakerState = 'closed' | 'open' | 'half_open';

interface Counted<T> {
  readonly settled: Settled<T>;
  readonly isFailure: boolean;
  readonly isAbsent: boolean;
}

/** How long to wait after the bulkhead refused a call, ms. */
const bulkheadRetryMs = 1000;

/** The breaker and the bulkhead of one target. Neither queues: a call is sent at once or refused at once. */
export class GuardedTarget {
  readonly #streak: FailureStreak;
  readonly #breaker;
  readonly #bulkhead;
  #openedAt = 0;
  #inFlight = 0;
  /** Whether the target has failed to answer a probe since the breaker opened. */
  probeFailed = false;

  constructor(
    readonly target: Target,
    private readonly limits: TargetLimits,
    onChange: (state: BreakerState) => void,
  ) {
    this.#streak = new FailureStreak(limits.streak);
    this.#breaker = circuitBreaker(
      handleWhenResult((result) => (result as Counted<unknown>).isFailure),
      { halfOpenAfter: limits.halfOpenMs, breaker: this.#streak },
    );
    this.#bulkhead = bulkhead(limits.calls);
    this.#breaker.onStateChange((state) => {
      if (state === CircuitState.Open) this.#openedAt = Date.now();
      if (state === CircuitState.Closed) this.probeFailed = false;
      onChange(this.state);
    });
  }

  get state(): BreakerState {
    const { state } = this.#breaker;
    if (state === CircuitState.Closed) return 'closed';
    return state === CircuitState.HalfOpen ? 'half_open' : 'open';
  }

  /** When the breaker opened, ms since the Unix epoch. */
  get openedAt(): number {
    return this.#openedAt;
  }

  /** Number of consecutive failures. */
  get failures(): number {
    return this.#streak.failures;
  }

  /** Whether nothing is lost when it is forgotten. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#streak.failures === 0 && this.state === 'closed';
  }

  /** Whether a call would be refused now. */
  get refuses(): boolean {
    const { state } = this;
    return state === 'half_open' || (state === 'open' && this.#remainingMs > 0);
  }

  get #remainingMs(): number {
    return this.#openedAt + this.limits.halfOpenMs - Date.now();
  }

  /**
   * Calls the target. `onRefused` and `onAbsent` are told before the rejection.
   *
   * @throws CallRefused while the breaker is open or its trial call runs, and above the limit of the bulkhead.
   */
  async call<T>(
    work: () => Promise<T>,
    outcomeOf: OutcomeOf<T>,
    { onRefused, onAbsent }: { onRefused: (reason: 'breaker' | 'bulkhead') => void; onAbsent: () => void },
  ): Promise<T> {
    // The policy would let it wait for the trial call.
    if (this.state === 'half_open') {
      onRefused('breaker');
      throw this.#refused();
    }
    const beganAt = performance.now();
    this.#inFlight++;
    try {
      const { settled, isAbsent } = await this.#bulkhead.execute(() =>
        this.#breaker.execute(() => this.#count(work, outcomeOf, beganAt)),
      );
      if (isAbsent) onAbsent();
      if ('error' in settled) throw settled.error;
      return settled.value;
    } catch (error) {
      if (error instanceof BrokenCircuitError) {
        onRefused('breaker');
        throw this.#refused();
      }
      if (!(error instanceof BulkheadRejectedError)) throw error;
      onRefused('bulkhead');
      const { name } = this.target;
      throw new CallRefused('UNAVAILABLE', `${this.limits.calls} calls to ${name} are pending`, bulkheadRetryMs);
    } finally {
      this.#inFlight--;
    }
  }

  async #count<T>(work: () => Promise<T>, outcomeOf: OutcomeOf<T>, beganAt: number): Promise<Counted<T>> {
    const settled = await work().then(
      (value): Settled<T> => ({ value }),
      (error: unknown): Settled<T> => ({ error }),
    );
    const outcome = outcomeOf(settled);
    if (outcome === 'answered') this.#streak.answered();
    return {
      settled,
      isFailure: outcome === 'failed' && this.#streak.failed(beganAt),
      isAbsent: outcome === 'absent',
    };
  }

  #refused(): CallRefused {
    const { isInstance, name } = this.target;
    const message = `${name} does not answer: calls to it are refused until it answers a trial`;
    return new CallRefused(isInstance ? 'NODE_UNAVAILABLE' : 'UNAVAILABLE', message, Math.max(1000, this.#remainingMs));
  }
}
