/** Age of the oldest byte in the send buffer of a data channel, whose `bufferedAmount` gives only the number of bytes. */
export class QueueAge {
  /** Buffered messages, the first one perhaps in part: the number of bytes sent up to the end of it, and when. */
  readonly #buffered: { readonly end: number; readonly at: number }[] = [];
  #end = 0;

  /** A message was given to the channel. @param bufferedAmount of the channel after that. @param now in milliseconds. */
  sent(bytes: number, bufferedAmount: number, now: number): void {
    this.#end += bytes;
    this.#buffered.push({ end: this.#end, at: now });
    this.#removeSent(bufferedAmount);
  }

  /** Age of the oldest buffered byte, in milliseconds; 0 while the buffer is empty. */
  ageMs(bufferedAmount: number, now: number): number {
    this.#removeSent(bufferedAmount);
    const [first] = this.#buffered;
    return first ? now - first.at : 0;
  }

  #removeSent(bufferedAmount: number): void {
    const sent = this.#end - bufferedAmount;
    const kept = this.#buffered.findIndex(({ end }) => end > sent);
    this.#buffered.splice(0, kept === -1 ? this.#buffered.length : kept);
  }
}
