/** Pause before a failed delivery is repeated, in milliseconds; doubled by each further failure. */
const repeatAfterMs = 500;
const maxRepeatAfterMs = 10_000;

/** Delivers the newest of several values: one at a time, again after a failure. */
export class Delivery<T> {
  #next: { readonly value: T } | undefined;
  #isRunning = false;
  #closed = false;

  /**
   * @param send delivers a value.
   * @param isFinal whether an error means that nothing can be delivered any more.
   */
  constructor(
    private readonly send: (value: T) => Promise<unknown>,
    private readonly isFinal: (error: unknown) => boolean = () => false,
  ) {}

  /** Delivers a value in place of those that are not delivered yet. */
  put(value: T): void {
    if (this.#closed) return;
    this.#next = { value };
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let pauseMs = repeatAfterMs;
    while (this.#next && !this.#closed) {
      const sent = this.#next;
      try {
        await this.send(sent.value);
        if (this.#next === sent) this.#next = undefined;
        pauseMs = repeatAfterMs;
      } catch (error) {
        if (this.isFinal(error)) this.close();
        else await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
        pauseMs = Math.min(2 * pauseMs, maxRepeatAfterMs);
      }
    }
    this.#isRunning = false;
  }

  close(): void {
    this.#closed = true;
    this.#next = undefined;
  }
}
