import { FlotillaError } from '@flotilla/client';
import type { Order } from '../../../src/operations/orders.ts';
import type { OperationsView } from '../../../src/operations/view.ts';
import { ConsoleRequests, needsKey } from '../console-requests.ts';

/** `key`: an API key is required. `lost`: the fleet cannot be read, and it is attempted again. */
export type WatchState = 'connecting' | 'live' | 'lost' | 'key';

const pollMs = 2000;
const maxPauseMs = 15_000;
/** Time without a newer state of the fleet after which it is shown as stale, ms: the registry answers with what it last read. */
const staleMs = 10_000;

/** Reads the state of the fleet again and again while the page is visible. */
export class OperationsWatch {
  view: OperationsView | undefined;
  state: WatchState = 'connecting';
  /** Why the fleet cannot be read. */
  problem: FlotillaError | undefined;
  readonly #console = new ConsoleRequests();
  /** Counts the keys that were entered and forgotten. */
  #keys = 0;
  #stopped = false;
  #failures = 0;
  /** Local time of the last answer that was newer than the one before, ms. */
  #newerAt = 0;
  #wake: () => void = () => undefined;

  constructor(private readonly changed: () => void) {}

  start(): void {
    this.#stopped = false;
    document.addEventListener('visibilitychange', this.#onVisible);
    void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    document.removeEventListener('visibilitychange', this.#onVisible);
    this.#wake();
  }

  useKey(key: string): void {
    this.#console.enter(key);
    this.#keys++;
    this.problem = undefined;
    this.#enter('connecting');
    this.#wake();
  }

  /** Whether the user has entered the key. */
  get isKeyEntered(): boolean {
    return this.#console.isEntered;
  }

  /** Forgets the key and asks for another one. */
  forgetKey(): void {
    this.#console.enter(undefined);
    this.#keys++;
    this.view = undefined;
    this.problem = undefined;
    this.#enter('key');
  }

  /** Seconds since the shown state was read, once it is stale. */
  get staleSeconds(): number | undefined {
    const ms = performance.now() - this.#newerAt;
    return this.view && ms > staleMs ? Math.round(ms / 1000) : undefined;
  }

  /** Rejects with the reason when the order is refused. */
  async order(order: Order): Promise<void> {
    await this.#console.send('console/operations/orders', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(order),
    });
    this.#wake();
  }

  readonly #onVisible = (): void => {
    if (!document.hidden) this.#wake();
  };

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const keys = this.#keys;
      try {
        const view = (await this.#console.send('console/operations')) as OperationsView;
        if (keys !== this.#keys) continue;
        const shown = this.view?.fleet;
        // While Redis is away, each registry answers with what it last read.
        const isNewer = !shown || view.fleet.at > shown.at;
        if (isNewer) this.#newerAt = performance.now();
        this.view = isNewer ? view : { ...view, fleet: shown };
        this.problem = undefined;
        this.#failures = 0;
        this.#enter(this.staleSeconds === undefined ? 'live' : 'lost');
      } catch (error) {
        if (keys !== this.#keys) continue;
        this.problem = FlotillaError.from(error);
        this.#failures++;
        const isRefused = needsKey(this.problem.code);
        if (isRefused) this.view = undefined;
        this.#enter(isRefused ? 'key' : 'lost');
      }
      await this.#pause();
    }
  }

  /** Until it is time for the next request: never while a key is missing, and not while nobody looks. */
  #pause(): Promise<void> {
    const backOffMs = Math.min(maxPauseMs, pollMs * 2 ** Math.max(0, this.#failures - 1)) * (0.5 + Math.random() / 2);
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => {
          if (this.state !== 'key' && !document.hidden) resolve();
        },
        this.#failures === 0 ? pollMs : backOffMs,
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #enter(state: WatchState): void {
    this.state = state;
    this.changed();
  }
}
