/**
 * The requests of one session that are not answered yet. Requests with the same key run one after another in order of
 * arrival, so that each decides on the state that the one before it left. Requests without a key run at once.
 */
export class RequestQueue {
  #size = 0;
  readonly #tails = new Map<string, Promise<void>>();
  #onIdle: (() => void)[] = [];

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
      if (this.#size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
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

  /** Resolves once no request is left. */
  async idle(): Promise<void> {
    if (this.#size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }
}
