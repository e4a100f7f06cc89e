const firstPauseMs = 1000;
const longestPauseMs = 30_000;

/** Pauses between attempts: exponential, up to 30 s, with jitter so that the sources of an edge do not reconnect together. */
export class BackOff {
  #attempt = 0;

  next(): number {
    const longest = Math.min(firstPauseMs * 2 ** this.#attempt, longestPauseMs);
    this.#attempt = Math.min(this.#attempt + 1, 16);
    return longest * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#attempt = 0;
  }
}
