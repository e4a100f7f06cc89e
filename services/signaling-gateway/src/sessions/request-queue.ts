import { KeyedQueue } from '@flotilla/runtime';

/**
 * The requests of one session that are not answered yet. Requests with the same key run in order of arrival, requests without
 * a key at once. The request dispatcher bounds their number.
 */
export class RequestQueue {
  #size = 0;
  readonly #inOrder = new KeyedQueue();

  /** Number of requests that run or wait. */
  get size(): number {
    return this.#size;
  }

  async run(key: string | undefined, work: () => Promise<void>): Promise<void> {
    this.#size++;
    try {
      await (key === undefined ? work() : this.#inOrder.run(key, work));
    } finally {
      this.#size--;
    }
  }
}
