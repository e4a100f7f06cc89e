/**
 * The requests of one session that are not answered yet. Requests with the same key run one after another in order of
 * arrival, so that each decides on the state that the one before it left. Requests without a key run at once.
 */
export class RequestQueue {
  #size = 0;
  readonly #tails = new Map<string, Promise<void>>();

  /** Number of requests that run or wait. */
  get size(): number {
    return this.#size;
  }

  async run(key: string | undefined, work: () => Promise<void>): Promise<void> {
    this.#size++;
    try {
      if (key === undefined) await work();
      else await this.#runInTurn(key, work);
    } finally {
      this.#size--;
    }
  }

  async #runInTurn(key: string, work: () => Promise<void>): Promise<void> {
    const previous = this.#tails.get(key);
    const turn = previous ? previous.then(work) : work();
    const tail = turn.catch(() => undefined);
    this.#tails.set(key, tail);
    try {
      await turn;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
