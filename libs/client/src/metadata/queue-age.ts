/** Since when bytes wait in a data channel: its `bufferedAmount` says how many do, this remembers when they were sent. */
export class QueueAge {
  /** Messages that wait, the first one maybe in part: how many bytes were sent up to its end, and when. */
  readonly #waiting: { readonly end: number; readonly at: number }[] = [];
  #end = 0;

  /** A message was handed to the channel, at `now` ms, after which `bufferedAmount` bytes wait. */
  sent(bytes: number, bufferedAmount: number, now: number): void {
    this.#end += bytes;
    this.#waiting.push({ end: this.#end, at: now });
    this.#forget(bufferedAmount);
  }

  /** How long the first of the bytes that wait has waited, ms; 0 when none do. */
  ageMs(bufferedAmount: number, now: number): number {
    this.#forget(bufferedAmount);
    const [first] = this.#waiting;
    return first ? now - first.at : 0;
  }

  #forget(bufferedAmount: number): void {
    const gone = this.#end - bufferedAmount;
    const kept = this.#waiting.findIndex(({ end }) => end > gone);
    this.#waiting.splice(0, kept === -1 ? this.#waiting.length : kept);
  }
}
