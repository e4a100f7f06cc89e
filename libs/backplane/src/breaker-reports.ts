import type { CallGuard } from '@flotilla/resilience';
import type { Logger } from '@flotilla/runtime';
import type { BreakerStore } from '@flotilla/store';

/** Interval of the reports while a breaker is open, ms: three fit into the time that a report is shown. */
const reportMs = 5000;

/** The id of an instance, or the name of a service: `nd_a` of the queue `sfu.nd_a`. */
const shownName = (queue: string): string => queue.slice(queue.indexOf('.') + 1);

/** Reports the open breakers of this process for the topology. */
export class BreakerReports {
  readonly #reporter = crypto.randomUUID();
  #timer: NodeJS.Timeout | undefined;
  #reported = false;
  #running = false;
  #changed = false;
  #stopped = false;

  /** @param caller names this process in the topology. */
  constructor(
    private readonly guard: CallGuard,
    private readonly store: BreakerStore,
    private readonly caller: string,
    private readonly log: Logger,
  ) {
    guard.onChange = () => this.#report();
  }

  #report(): void {
    this.#changed = true;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    clearTimeout(this.#timer);
    while (this.#changed && !this.#stopped) {
      this.#changed = false;
      const open = this.guard.open();
      if (open.length === 0 && !this.#reported) continue;
      const { caller } = this;
      const breakers = open.map(({ target, state, since }) => ({ caller, target: shownName(target), state, since }));
      try {
        await this.store.report(this.#reporter, breakers);
        this.#reported = breakers.length > 0;
      } catch (error) {
        this.log.debug({ err: error }, 'open breakers not reported');
      }
    }
    this.#running = false;
    if (this.#stopped || (!this.#reported && this.guard.open().length === 0)) return;
    this.#timer = setTimeout(() => this.#report(), reportMs);
    this.#timer.unref();
  }

  /** Ends the reports. What was reported expires. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
