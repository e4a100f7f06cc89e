import { FlotillaError } from '@flotilla/contracts';

/** Bounds the number of ids that one client holds on a node. An id is reserved before the wait for what it stands for. */
export class Slots {
  readonly #taken = new Set<string>();

  constructor(
    private readonly limit: number,
    private readonly what: string,
  ) {}

  /** Reserves an id; a second time does nothing. Throws RATE_LIMITED at the limit. */
  take(id: string): void {
    if (!this.#taken.has(id) && this.#taken.size >= this.limit)
      throw new FlotillaError('RATE_LIMITED', `at most ${this.limit} ${this.what} are allowed`);
    this.#taken.add(id);
  }

  free(id: string): void {
    this.#taken.delete(id);
  }
}
