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

/** A bound on what one client can make a node hold. A place is taken before the wait for what is to fill it. */
export class Slots {
  readonly #taken = new Set<string>();

  constructor(
    private readonly limit: number,
    private readonly what: string,
  ) {}

  /** Takes the place of an id; one that has a place keeps it. Throws RATE_LIMITED when all are taken. */
  take(id: string): void {
    if (!this.#taken.has(id) && this.#taken.size >= this.limit)
      throw new FlotillaError('RATE_LIMITED', `${this.limit} ${this.what} are the most`);
    this.#taken.add(id);
  }

  free(id: string): void {
    this.#taken.delete(id);
  }
}
