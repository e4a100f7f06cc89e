/** When packets of a publication came, whichever node and producer they came by. */
export class Arrivals {
  #packets = 0;
  #lastAt: number | undefined;
  #longest = 0;

  /** @param now a monotonic clock, in milliseconds. */
  take(now: number): void {
    this.#packets++;
    if (this.#lastAt !== undefined) this.#longest = Math.max(this.#longest, now - this.#lastAt);
    this.#lastAt = now;
  }

  get packets(): number {
    return this.#packets;
  }

  /**
   * The longest time without a packet since this was last asked, in milliseconds, up to now: one that goes on counts. Undefined
   * while none ever came.
   */
  takeLongestGap(now: number): number | undefined {
    if (this.#lastAt === undefined) return undefined;
    const longest = Math.max(this.#longest, now - this.#lastAt);
    this.#longest = 0;
    return longest;
  }
}
