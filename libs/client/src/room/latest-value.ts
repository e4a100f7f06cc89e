/**
 * Applies values one after the other: at most one is being applied, values set meanwhile replace each other, and the last
 * one always wins.
 */
export class LatestValue<T> {
  readonly #apply: (value: T) => Promise<unknown>;
  #next: { readonly value: T } | undefined;
  #running: Promise<void> | undefined;

  constructor(apply: (value: T) => Promise<unknown>) {
    this.#apply = apply;
  }

  /** Resolves when the last value was applied. Rejects when applying the last value failed; earlier failures are dropped. */
  set(value: T): Promise<void> {
    this.#next = { value };
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#next) {
        const { value } = this.#next;
        this.#next = undefined;
        try {
          await this.#apply(value);
        } catch (error) {
          if (!this.#next) throw error;
        }
      }
    } finally {
      this.#running = undefined;
    }
  }
}
