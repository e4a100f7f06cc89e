import { FlotillaError } from '@flotilla/contracts';

export interface FairQueueOptions {
  /** Number of calls that run at a time. */
  readonly concurrency: number;
  /** Number of calls with one key that run at a time. */
  readonly concurrencyPerKey: number;
  /** Number of calls with one key that may run or wait. */
  readonly maxPerKey: number;
}

interface Queue {
  running: number;
  readonly waiting: (() => void)[];
}

/**
 * Runs work of many origins, each with its own key, so that no origin delays the others by more than its share: keys with waiting work
 * are served in turn, one call each. Calls with the same key start in the order of their arrival; work that nothing precedes starts
 * within the call.
 */
export class FairQueue {
  readonly #queues = new Map<string, Queue>();
  /** Keys with work that may start as soon as less than `concurrency` runs, in the order of their turns. */
  readonly #turns = new Set<string>();
  #running = 0;

  constructor(private readonly options: FairQueueOptions) {}

  /** Settles as the work does. Rejects with RATE_LIMITED beyond `maxPerKey`. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const { maxPerKey } = this.options;
    let queue = this.#queues.get(key);
    if (!queue) this.#queues.set(key, (queue = { running: 0, waiting: [] }));
    if (queue.running + queue.waiting.length >= maxPerKey)
      throw new FlotillaError('RATE_LIMITED', `${maxPerKey} requests of ${key} await their answer`);
    const done = Promise.withResolvers<T>();
    queue.waiting.push(() => void this.#serve(key, queue, work).then(done.resolve, done.reject));
    this.#takeTurn(key, queue);
    this.#serveNext();
    return done.promise;
  }

  /** Gives the key its next turn if it has work that may start. It is behind the turns of all other keys. */
  #takeTurn(key: string, { running, waiting }: Queue): void {
    if (waiting.length > 0 && running < this.options.concurrencyPerKey) this.#turns.add(key);
  }

  #serveNext(): void {
    for (const key of this.#turns) {
      if (this.#running >= this.options.concurrency) return;
      this.#turns.delete(key);
      const queue = this.#queues.get(key)!;
      const start = queue.waiting.shift()!;
      start();
      this.#takeTurn(key, queue);
    }
  }

  async #serve<T>(key: string, queue: Queue, work: () => Promise<T>): Promise<T> {
    this.#running++;
    queue.running++;
    try {
      return await work();
    } finally {
      this.#running--;
      queue.running--;
      if (queue.running === 0 && queue.waiting.length === 0) this.#queues.delete(key);
      this.#takeTurn(key, queue);
      this.#serveNext();
    }
  }
}
