import { counter, gauge, type Logger } from '@flotilla/runtime';
import { type BreakerState, GuardedTarget, type OutcomeOf, type Target, type TargetLimits } from './guarded-target.ts';
import { RetryBudget } from './retry-budget.ts';

/** A breaker that is not closed. */
export interface OpenBreaker {
  readonly target: string;
  readonly kind: string;
  readonly state: Exclude<BreakerState, 'closed'>;
  /** When it opened, ms since the Unix epoch. */
  readonly since: number;
}

export interface CallGuardOptions {
  readonly log: Logger;
  /** Time until the trial call of a breaker, ms. Default 120,000. */
  readonly halfOpenMs?: number | undefined;
  /** The same for an instance, of which there are others. Default 10,000, or `halfOpenMs` where that is less. */
  readonly instanceHalfOpenMs?: number | undefined;
  /** Consecutive failures that open a breaker. Default 5. */
  readonly failures?: number | undefined;
  /** Time that they must last, ms. Default 5,000, and 2,000 for an instance. */
  readonly lastingMs?: number | undefined;
  /**
   * Asks the target of an open breaker whether it works. Once it has failed, its next answer closes the breaker at once. Never rejects.
   * Default: only trial calls close a breaker.
   */
  readonly probe?: ((target: string) => Promise<'answered' | 'failed' | 'absent'>) | undefined;
  /** Default 1,000. */
  readonly probeMs?: number | undefined;
  /** Why a broker that all services share cannot be used. Failures meanwhile count for no target; its end closes all breakers. */
  readonly sharedProblem?: (() => string | undefined) | undefined;
}

export const defaultHalfOpenMs = 120_000;
const defaultInstanceHalfOpenMs = 10_000;
/** Calls to one target that may be pending. The transport of commands bounds those to all targets. */
const maxCalls = 5000;
/** Targets that are known at a time. A call to another, while all of these are in use, is not guarded. */
const maxTargets = 1024;
/** Targets that are probed at a time. */
const maxProbes = 32;

const breakers = gauge({
  name: 'flotilla_breakers',
  help: 'Circuit breakers of calls to other services that are not closed, by kind of target and state (open, half_open).',
  labelNames: ['kind', 'state'],
});
const opened = counter({
  name: 'flotilla_breakers_opened_total',
  help: 'Circuit breakers that were opened, by kind of target.',
  labelNames: ['kind'],
});
const rejected = counter({
  name: 'flotilla_calls_rejected_total',
  help: 'Calls that were refused before they were sent, by kind of target and reason (breaker, bulkhead).',
  labelNames: ['kind', 'reason'],
});
const retried = counter({
  name: 'flotilla_retries_total',
  help: 'Retries of calls, by kind of target and outcome: sent, or refused by the budget.',
  labelNames: ['kind', 'outcome'],
});

/** Guards calls to other services, each target with its own breaker and bulkhead, each kind of service with a budget of retries. */
export class CallGuard {
  readonly #targets = new Map<string, GuardedTarget>();
  readonly #shown = new Map<GuardedTarget, BreakerState>();
  readonly #budgets = new Map<string, RetryBudget>();
  readonly #options: CallGuardOptions;
  readonly #limits: { readonly service: TargetLimits; readonly instance: TargetLimits };
  #timer: NodeJS.Timeout | undefined;
  #hadSharedProblem = false;
  #stopped = false;
  /** Called after the state of any breaker has changed. */
  onChange: () => void = () => undefined;

  constructor(options: CallGuardOptions) {
    this.#options = options;
    const { halfOpenMs = defaultHalfOpenMs, failures = 5 } = options;
    const { instanceHalfOpenMs = Math.min(halfOpenMs, defaultInstanceHalfOpenMs) } = options;
    const limits = (wait: number, lastingMs: number): TargetLimits => ({
      halfOpenMs: wait,
      streak: { failures, lastingMs: options.lastingMs ?? lastingMs },
      calls: maxCalls,
    });
    this.#limits = { service: limits(halfOpenMs, 5000), instance: limits(instanceHalfOpenMs, 2000) };
  }

  /**
   * Calls a target. Settles as `work` does.
   *
   * @throws CallRefused NODE_UNAVAILABLE or UNAVAILABLE, see GuardedTarget.
   */
  call<T>(target: Target, work: () => Promise<T>, outcomeOf: OutcomeOf<T>): Promise<T> {
    this.#budget(target.kind).called();
    const guarded = this.#targets.get(target.name) ?? this.#add(target);
    if (!guarded) return work();
    return guarded.call(work, this.#excusing(outcomeOf), {
      onRefused: (reason) => rejected.inc({ kind: target.kind, reason }),
      onAbsent: () => this.close(target.name),
    });
  }

  #excusing<T>(outcomeOf: OutcomeOf<T>): OutcomeOf<T> {
    return (settled) => {
      const outcome = outcomeOf(settled);
      return outcome === 'failed' && this.#options.sharedProblem?.() !== undefined ? 'unknown' : outcome;
    };
  }

  #add(target: Target): GuardedTarget | undefined {
    if (this.#targets.size >= maxTargets) {
      const idle = this.#anyIdle();
      if (idle === undefined) return undefined;
      this.#targets.delete(idle);
    }
    const limits = target.isInstance ? this.#limits.instance : this.#limits.service;
    const guarded = new GuardedTarget(target, limits, (state) => this.#changed(guarded, state));
    this.#targets.set(target.name, guarded);
    return guarded;
  }

  #anyIdle(): string | undefined {
    for (const [name, { isIdle }] of this.#targets) if (isIdle) return name;
    return undefined;
  }

  /** Takes a retry from the budget of this kind of target; false when there is none left, unless it is essential. */
  takeRetry(kind: string, isEssential = false): boolean {
    const isAllowed = this.#budget(kind).take(isEssential);
    retried.inc({ kind, outcome: isAllowed ? 'sent' : 'refused' });
    return isAllowed;
  }

  #budget(kind: string): RetryBudget {
    let budget = this.#budgets.get(kind);
    if (!budget) this.#budgets.set(kind, (budget = new RetryBudget()));
    return budget;
  }

  /** Names of the targets to which calls are refused now. */
  refused(): string[] {
    if (this.#shown.size === 0) return [];
    return [...this.#shown.keys()].flatMap(({ refuses, target }) => (refuses ? [target.name] : []));
  }

  /** The breakers that are not closed. */
  open(): OpenBreaker[] {
    return [...this.#shown].flatMap(([{ target, openedAt }, state]) =>
      state === 'closed' ? [] : [{ target: target.name, kind: target.kind, state, since: openedAt }],
    );
  }

  /** Forgets a target: it works again, or it has left. */
  close(name: string): void {
    const guarded = this.#targets.get(name);
    this.#targets.delete(name);
    if (guarded) this.#changed(guarded, 'closed');
  }

  /** Ends the probes. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const guarded of this.#shown.keys()) this.#changed(guarded, 'closed');
  }

  #changed(guarded: GuardedTarget, state: BreakerState): void {
    const before = this.#shown.get(guarded) ?? 'closed';
    // A call to a target that was forgotten has ended.
    const isKnown = this.#targets.get(guarded.target.name) === guarded;
    if (before === state || (!isKnown && state !== 'closed')) return;
    const { kind, name: target } = guarded.target;
    if (before !== 'closed') breakers.dec({ kind, state: before });
    if (state === 'closed') this.#shown.delete(guarded);
    else {
      breakers.inc({ kind, state });
      this.#shown.set(guarded, state);
    }
    const { log } = this.#options;
    if (state === 'open') {
      opened.inc({ kind });
      log.warn({ target, failures: guarded.failures }, 'breaker opened: calls to the target are refused');
    } else if (state === 'closed') log.info({ target }, 'breaker closed: the target is called again');
    this.onChange();
    this.#watch();
  }

  /** Probes while a breaker is open. */
  #watch(): void {
    if (this.#timer || this.#stopped || this.#shown.size === 0) return;
    const { probeMs = 1000 } = this.#options;
    this.#timer = setTimeout(() => {
      void this.#check().finally(() => {
        this.#timer = undefined;
        this.#watch();
      });
    }, probeMs);
    this.#timer.unref();
  }

  async #check(): Promise<void> {
    const { probe, sharedProblem } = this.#options;
    const problem = sharedProblem?.();
    if (problem === undefined && this.#hadSharedProblem) {
      for (const { target } of [...this.#shown.keys()]) this.close(target.name);
    }
    this.#hadSharedProblem = problem !== undefined;
    if (!probe || problem !== undefined) return;
    await Promise.all([...this.#shown.keys()].slice(0, maxProbes).map((guarded) => this.#probe(guarded, probe)));
  }

  async #probe(guarded: GuardedTarget, probe: NonNullable<CallGuardOptions['probe']>): Promise<void> {
    const { name } = guarded.target;
    const result = await probe(name);
    if (this.#targets.get(name) !== guarded) return;
    if (result === 'absent' || (result === 'answered' && guarded.probeFailed)) this.close(name);
    else if (result === 'failed') guarded.probeFailed = true;
  }
}
