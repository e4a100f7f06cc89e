/** A part of a topic that a subscriber did not get. */
export interface LostRange {
  readonly topic: string;
  readonly publisherId: string;
  fromSeqId: number;
  toSeqId: number;
}

/** What was not sent to a subscriber: for each publisher of a topic one range, however many frames. */
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

  /** All of it, which is forgotten here. */
  take(): IterableIterator<LostRange> {
    const ranges = this.#ranges;
    this.#ranges = new Map();
    return ranges.values();
  }
}
