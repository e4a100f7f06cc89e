/**
 * A token bucket with an average rate of `perSecond` and bursts of `burst`, without a timer.
 */
export class TokenBucket {
  #tokens: number;
  #at: number;

  constructor(
    private readonly perSecond: number,
    readonly burst: number,
    now: number = performance.now(),
    tokens = burst,
  ) {
    this.#tokens = tokens;
    this.#at = now;
  }

  /** Takes `count` tokens. Returns false, and takes none, when there are fewer. */
  take(now: number = performance.now(), count = 1): boolean {
    if (!this.has(now, count)) return false;
    this.#tokens -= count;
    return true;
  }

  /** Gives back tokens that were taken. */
  give(now: number = performance.now(), count = 1): void {
    this.#refill(now);
    this.#tokens = Math.min(this.burst, this.#tokens + count);
  }

  /** Whether it has `count` tokens. */
  has(now: number = performance.now(), count = 1): boolean {
    this.#refill(now);
    return this.#tokens >= count;
  }

  /** Whether it has all its tokens. */
  isFull(now: number = performance.now()): boolean {
    this.#refill(now);
    return this.#tokens >= this.burst;
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.burst, this.#tokens + ((now - this.#at) / 1000) * this.perSecond);
    this.#at = now;
  }
}
