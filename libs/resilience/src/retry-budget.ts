import { handleWhen, retry } from 'cockatiel';

export interface RetryBudgetOptions {
  /** Retries as a share of the calls within the window. Default 0.1. */
  readonly share?: number;
  /** Retries within the window that few calls are allowed, too. Default 10. */
  readonly atLeast?: number;
  /** Default 10,000. */
  readonly windowMs?: number;
  readonly now?: () => number;
}

/** Parts of the window that are counted separately. */
const slots = 10;

/** Limits retries to a share of the recent calls, so that they do not multiply the load of a service that is overloaded. */
export class RetryBudget {
  readonly #share: number;
  readonly #atLeast: number;
  readonly #slotMs: number;
  readonly #now: () => number;
  readonly #calls = new Float64Array(slots);
  readonly #retries = new Float64Array(slots);
  #slot = 0;

  constructor({
    share = 0.1,
    atLeast = 10,
    windowMs = 10_000,
    now = () => performance.now(),
  }: RetryBudgetOptions = {}) {
    this.#share = share;
    this.#atLeast = atLeast;
    this.#slotMs = windowMs / slots;
    this.#now = now;
  }

  /** Counts a call. */
  called(): void {
    this.#calls[this.#index()]!++;
  }

  /** Takes a retry from the budget. False when there is none left. An essential one is taken all the same. */
  take(isEssential = false): boolean {
    const index = this.#index();
    const allowed = Math.max(this.#atLeast, this.#share * sum(this.#calls));
    if (!isEssential && sum(this.#retries) + 1 > allowed) return false;
    this.#retries[index]!++;
    return true;
  }

  /** The index of the current slot. Clears those that have left the window. */
  #index(): number {
    const slot = Math.floor(this.#now() / this.#slotMs);
    for (let next = Math.max(this.#slot + 1, slot - slots + 1); next <= slot; next++) {
      this.#calls[next % slots] = 0;
      this.#retries[next % slots] = 0;
    }
    this.#slot = Math.max(this.#slot, slot);
    return this.#slot % slots;
  }
}

const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);

export interface RetryLimits {
  /** Maximum number of attempts after the first. */
  readonly retries: number;
  /** Whether a failed attempt may be repeated. */
  readonly when: (error: unknown) => boolean;
  /** Takes a retry from a budget; false ends the attempts. */
  readonly take: () => boolean;
}

/** Repeats idempotent work without a pause. `attempt` counts from 0. Rejects with the last error. */
export function withRetries<T>(limits: RetryLimits, work: (attempt: number) => Promise<T>): Promise<T> {
  let attempt = 0;
  const policy = retry(
    handleWhen((error) => attempt <= limits.retries && limits.when(error) && limits.take()),
    { maxAttempts: limits.retries },
  );
  return policy.execute(() => work(attempt++));
}
