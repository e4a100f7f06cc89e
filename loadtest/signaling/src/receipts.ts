/** Messages of one room that one run may number. */
export const maxRoomMessages = 20_000;

/** A room's messages as its senders know them, by number. */
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

/** Which messages of its room one member got. */
export class Receipts {
  /** All below it were there. */
  #upTo = 0;
  /** Those from there on; at most as many as a room has messages. */
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

  /** Acknowledged to their senders, and not here. */
  lost(journal: RoomJournal): number {
    let lost = 0;
    for (let number = this.#upTo; number < journal.sent; number++) {
      if (!this.#ahead.has(number) && journal.isAcknowledged(number)) lost++;
    }
    return lost;
  }
}
