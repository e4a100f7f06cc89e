import { FlotillaError } from '@flotilla/contracts';

interface Queue {
  tail: Promise<unknown> | undefined;
  size: number;
}

/**
 * Runs work about the same key one after another, in the order of the calls, so that each decides on the state that the one
 * before it left. Work about different keys runs at once; work that nothing precedes starts within the call.
 */
export class KeyedQueue {
  readonly #queues = new Map<string, Queue>();

  /** @param maxPerKey number of calls about one key that may run or wait. */
  constructor(private readonly maxPerKey = 64) {}

  /** Settles as the work does. Rejects with RATE_LIMITED beyond `maxPerKey`. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    let queue = this.#queues.get(key);
    if (!queue) this.#queues.set(key, (queue = { tail: undefined, size: 0 }));
    if (queue.size >= this.maxPerKey)
      throw new FlotillaError('RATE_LIMITED', `${this.maxPerKey} requests about ${key} await their answer`);
    queue.size++;
    const turn = queue.tail ? queue.tail.then(work) : work();
    queue.tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      if (--queue.size === 0) this.#queues.delete(key);
    }
  }
}
