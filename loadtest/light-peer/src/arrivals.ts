/** Packet arrivals of a publication, across migrations: from whatever node and producer. */
export class Arrivals {
  #packets = 0;
  #lastAt: number | undefined;
  #longest = 0;

  /**
   * Records a packet.
   *
   * @param now a monotonic clock, in milliseconds.
   */
  add(now: number): void {
    this.#packets++;
    if (this.#lastAt !== undefined) this.#longest = Math.max(this.#longest, now - this.#lastAt);
    this.#lastAt = now;
  }

  get packets(): number {
    return this.#packets;
  }

  /**
   * The longest gap between packets since the last call, in milliseconds, including the current one up to `now`. Undefined before
   * the first packet.
   */
  takeLongestGap(now: number): number | undefined {
    if (this.#lastAt === undefined) return undefined;
    const longest = Math.max(this.#longest, now - this.#lastAt);
    this.#longest = 0;
    return longest;
  }
}
