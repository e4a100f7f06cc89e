import type { Logger } from '@flotilla/runtime';
import type { LeaseStore } from '@flotilla/store';

/** Duration of a lease. A dead leader is succeeded within this and `acquireEveryMs`. */
const leaseMs = 2000;
const renewEveryMs = 500;
const acquireEveryMs = 250;
/** With less than this left of the lease, no action is started. */
const marginMs = 250;

export interface LeaseTiming {
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly acquireEveryMs: number;
}

const defaultTiming: LeaseTiming = { leaseMs, renewEveryMs, acquireEveryMs };

/**
 * Elects one instance as the leader. The store expires the lease by its own clock. Here it counts from before each renewal was
 * sent, by the monotonic clock, which also runs while the process is stopped (SIGSTOP, a paused VM): a leader that was
 * stopped sees its lease expired when it resumes. Check `leads` before each action, not once for several.
 */
export class Leadership {
  readonly #holder = crypto.randomUUID();
  #term: number | undefined;
  #validUntil = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #keeping: Promise<void> | undefined;
  #stopped = false;

  constructor(
    private readonly leases: LeaseStore,
    private readonly lease: string,
    private readonly log: Logger,
    private readonly now: () => number = () => performance.now(),
    private readonly timing = defaultTiming,
  ) {}

  start(): void {
    if (this.#stopped) return;
    this.#keeping = this.keep().finally(() => {
      this.#timer = setTimeout(
        () => this.start(),
        this.#term === undefined ? this.timing.acquireEveryMs : this.timing.renewEveryMs,
      );
    });
  }

  /** Renews or acquires the lease. While the store is unavailable, the lease stays valid until it expires. */
  async keep(): Promise<void> {
    const sentAt = this.now();
    const { leaseMs } = this.timing;
    try {
      if (this.#term !== undefined && !(await this.leases.renew(this.lease, this.#holder, leaseMs))) this.#lose();
      this.#term ??= await this.#acquire();
      if (this.#term !== undefined) this.#validUntil = sentAt + leaseMs;
    } catch (error) {
      this.log.debug({ err: error }, 'lease not renewed');
    }
  }

  async #acquire(): Promise<number | undefined> {
    const term = await this.leases.acquire(this.lease, this.#holder, this.timing.leaseMs);
    if (term !== undefined) this.log.info({ term }, 'leadership acquired');
    return term;
  }

  #lose(): void {
    this.log.warn({ term: this.#term }, 'leadership lost');
    this.#term = undefined;
    this.#validUntil = -Infinity;
  }

  /** Whether an action may be started now. */
  get leads(): boolean {
    return this.#validUntil - this.now() > marginMs;
  }

  /** The term of this leadership. A different number means that others may have led in between. */
  get term(): number | undefined {
    return this.#term;
  }

  /** Releases the lease, so that another instance can lead at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#keeping;
    clearTimeout(this.#timer);
    this.#validUntil = -Infinity;
    await this.leases.release(this.lease, this.#holder);
  }
}
