import type { Logger } from '@flotilla/runtime';
import type { LeaseStore } from '@flotilla/store';

/** How long a lease lasts: a leader that died is followed within this and `askEveryMs`. */
const leaseMs = 2000;
const renewEveryMs = 500;
const askEveryMs = 250;
/** With less than this left nothing is begun any more. */
const marginMs = 250;

/**
 * One of all instances leads. The lease runs out by Redis's clock; here its time counts from before each renewal was sent,
 * by the monotonic clock, which goes on while the process is stopped (SIGSTOP, a paused VM): a leader that slept knows when
 * it wakes. Ask `leads` before each action, not once for many.
 */
export class Leadership {
  readonly #holder = crypto.randomUUID();
  #term: number | undefined;
  #validUntil = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> | undefined;
  #stopped = false;

  constructor(
    private readonly leases: LeaseStore,
    private readonly lease: string,
    private readonly log: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {}

  start(): void {
    if (this.#stopped) return;
    this.#asking = this.keep().finally(() => {
      this.#timer = setTimeout(() => this.start(), this.#term === undefined ? askEveryMs : renewEveryMs);
    });
  }

  /** Renews the lease, or asks for it. While the store is out of reach the lease lasts as long as it lasts. */
  async keep(): Promise<void> {
    const askedAt = this.now();
    try {
      if (this.#term !== undefined && !(await this.leases.renew(this.lease, this.#holder, leaseMs))) this.#lose();
      this.#term ??= await this.#acquire();
      if (this.#term !== undefined) this.#validUntil = askedAt + leaseMs;
    } catch (error) {
      this.log.debug({ err: error }, 'lease not renewed');
    }
  }

  async #acquire(): Promise<number | undefined> {
    const term = await this.leases.acquire(this.lease, this.#holder, leaseMs);
    if (term !== undefined) this.log.info({ term }, 'leads');
    return term;
  }

  #lose(): void {
    this.log.warn({ term: this.#term }, 'leads no longer');
    this.#term = undefined;
    this.#validUntil = -Infinity;
  }

  /** Whether something may be begun now. */
  get leads(): boolean {
    return this.#validUntil - this.now() > marginMs;
  }

  /** Which leadership this is: another number means that others may have led in between. */
  get term(): number | undefined {
    return this.#term;
  }

  /** Lets another lead at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#asking;
    clearTimeout(this.#timer);
    this.#validUntil = -Infinity;
    await this.leases.release(this.lease, this.#holder);
  }
}
