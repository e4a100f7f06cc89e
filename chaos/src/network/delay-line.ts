/** The delay of a path: the mean and the largest deviation from it, ms. Evenly distributed, as that of netem. */
export interface Delay {
  readonly latencyMs: number;
  readonly jitterMs: number;
}

export const noDelay: Delay = { latencyMs: 0, jitterMs: 0 };

/** One direction of a connection whose data arrives late and in order. */
export class DelayLine {
  #waiting: { readonly dueMs: number; readonly deliver: () => void }[] = [];
  #lastDueMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param random a number from 0 to 1 at each call. */
  constructor(
    private readonly delay: () => Delay,
    private readonly random: () => number = Math.random,
  ) {}

  /** Calls `deliver` when the data arrives: at once without a delay, after the data before it. */
  send(deliver: () => void): void {
    const { latencyMs, jitterMs } = this.delay();
    const now = performance.now();
    const dueMs = Math.max(this.#lastDueMs, now + Math.max(0, latencyMs + (2 * this.random() - 1) * jitterMs));
    if (dueMs <= now && this.#waiting.length === 0) return deliver();
    this.#lastDueMs = dueMs;
    this.#waiting.push({ dueMs, deliver });
    if (this.#waiting.length === 1) this.#arm(now);
  }

  /** Drops what has not arrived. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  #arm(now: number): void {
    this.#timer = setTimeout(() => this.#drain(), Math.max(1, Math.ceil(this.#waiting[0]!.dueMs - now)));
  }

  #drain(): void {
    const now = performance.now();
    const due = this.#waiting.findIndex(({ dueMs }) => dueMs > now);
    const arrived = this.#waiting.splice(0, due === -1 ? this.#waiting.length : due);
    for (const { deliver } of arrived) deliver();
    if (this.#waiting.length > 0) this.#arm(now);
  }
}
