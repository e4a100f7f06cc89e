/** Sequence ids of a topic and publisher within which messages were not sent to a subscriber. */
export interface LostRange {
  readonly topic: string;
  readonly publisherId: string;
  fromSeqId: number;
  toSeqId: number;
}

/** Messages that were not sent to a subscriber, as one range per topic and publisher. */
export class LostRanges {
  #ranges = new Map<string, LostRange>();

  add(topic: string, publisherId: string, seqId: number): void {
    const key = `${publisherId} ${topic}`;
    const range = this.#ranges.get(key);
    if (!range) this.#ranges.set(key, { topic, publisherId, fromSeqId: seqId, toSeqId: seqId });
    else {
      range.fromSeqId = Math.min(range.fromSeqId, seqId);
      range.toSeqId = Math.max(range.toSeqId, seqId);
    }
  }

  /** Returns all ranges and clears them. */
  take(): IterableIterator<LostRange> {
    const ranges = this.#ranges;
    this.#ranges = new Map();
    return ranges.values();
  }
}
