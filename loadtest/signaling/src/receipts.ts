/** Maximum number of messages per room and run. */
export const maxRoomMessages = 20_000;

/** Sent and acknowledged messages of a room, by number. */
export class RoomJournal {
  readonly #acknowledged: boolean[] = [];

  get sent(): number {
    return this.#acknowledged.length;
  }

  get full(): boolean {
    return this.sent >= maxRoomMessages;
  }

  /** The number of the next message. */
  next(): number {
    return this.#acknowledged.push(false) - 1;
  }

  acknowledge(number: number): void {
    this.#acknowledged[number] = true;
  }

  get acknowledged(): number {
    return this.#acknowledged.filter(Boolean).length;
  }

  isAcknowledged(number: number): boolean {
    return this.#acknowledged[number] === true;
  }
}

/** Received messages of one session. */
export class Receipts {
  /** All messages below this number have been received. */
  #upTo = 0;
  /** Received messages from `#upTo` on; bounded by `maxRoomMessages`. */
  readonly #ahead = new Set<number>();
  duplicates = 0;

  take(number: number): void {
    if (number < this.#upTo || this.#ahead.has(number)) {
      this.duplicates++;
      return;
    }
    this.#ahead.add(number);
    while (this.#ahead.delete(this.#upTo)) this.#upTo++;
  }

  /** Number of messages that were acknowledged to their senders but not received. */
  lost(journal: RoomJournal): number {
    let lost = 0;
    for (let number = this.#upTo; number < journal.sent; number++) {
      if (!this.#ahead.has(number) && journal.isAcknowledged(number)) lost++;
    }
    return lost;
  }
}
