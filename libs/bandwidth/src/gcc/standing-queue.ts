import type { GroupDelta } from './arrival-groups.ts';

/** The least delay of this time counts, ms, and of so many groups at least and at most: jitter passes, a queue stays. */
const recentMs = 200;
const [minGroups, maxGroups] = [10, 64];
/** The least delay of this long is that of an empty queue, ms; kept in windows, so that its memory is bounded. */
const [windowMs, windows] = [1000, 10];

/**
 * The delay that all of the last packets had in the queue, from one-way delays without a common clock. Not of the draft: its
 * detector sees the growth of the delay alone, which jitter has as well.
 */
export class StandingQueue {
  #delayMs = 0;
  readonly #recent: { readonly atMs: number; readonly delayMs: number }[] = [];
  readonly #least: number[] = [];
  #windowStartMs = -Infinity;

  /** Adds a difference of two groups. Returns the queuing delay in ms. */
  add({ sentMs, arrivedMs, atMs }: GroupDelta): number {
    this.#delayMs += arrivedMs - sentMs;
    const recent = this.#recent;
    recent.push({ atMs, delayMs: this.#delayMs });
    while (recent.length > maxGroups || (recent.length > minGroups && atMs - recent[0]!.atMs > recentMs))
      recent.shift();
    if (Math.abs(atMs - this.#windowStartMs) >= windowMs) {
      this.#windowStartMs = atMs;
      this.#least.push(this.#delayMs);
      if (this.#least.length > windows) this.#least.shift();
    } else this.#least.push(Math.min(this.#least.pop() ?? this.#delayMs, this.#delayMs));
    return Math.min(...recent.map(({ delayMs }) => delayMs)) - Math.min(...this.#least);
  }
}
