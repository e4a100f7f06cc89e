import { type CloseCodeName, compareOffsets, type Offset } from '@flotilla/contracts';

/** Who gets the frames. */
export interface Receiver {
  send(frame: Buffer): void;
  close(code: CloseCodeName, reason: string): void;
}

/** A frame on its way to a session. `frame` is undefined for an event that is not for this session. */
export interface Delivery {
  readonly offset: Offset;
  readonly frame: Buffer | undefined;
}

/** Events that are missed are read so many at a time. A read that finds fewer was the last: what comes after it is delivered. */
export const readBatch = 500;

/** What may wait for a session that is catching up. Beyond it the session has to begin again. */
const maxWaiting = 4096;

/**
 * A session's place in a numbered stream of events: every event after it goes out once, in order. While older ones are read,
 * or a session that resumed has not said what it saw last, newer ones wait.
 */
export class OrderedDelivery {
  #waiting: Delivery[] | undefined;
  #after: Offset;

  constructor(
    private readonly receiver: Receiver,
    after: Offset,
    waits: boolean,
  ) {
    this.#after = after;
    if (waits) this.#waiting = [];
  }

  /** The last event it has. */
  get after(): Offset {
    return this.#after;
  }

  deliver(offset: Offset, frame: Buffer | undefined): void {
    if (!this.#waiting) return this.#send(offset, frame);
    if (this.#waiting.length < maxWaiting) this.#waiting.push({ offset, frame });
    else this.receiver.close('SERVICE_RESTART', 'too much happened meanwhile, resume');
  }

  #send(offset: Offset, frame: Buffer | undefined): void {
    if (compareOffsets(offset, this.#after) <= 0) return;
    this.#after = offset;
    if (frame !== undefined) this.receiver.send(frame);
  }

  /**
   * Sends what `read` finds after the last event, batch by batch until one is not full, then what waited. False when `read`
   * says that events are gone; then what waited goes on waiting.
   */
  async catchUp(
    read: (after: Offset) => Promise<readonly Delivery[] | 'trimmed'>,
    from = this.#after,
  ): Promise<boolean> {
    this.#waiting ??= [];
    this.#after = from;
    for (;;) {
      const deliveries = await read(this.#after);
      if (deliveries === 'trimmed') return false;
      for (const { offset, frame } of deliveries) this.#send(offset, frame);
      if (deliveries.length < readBatch) break;
    }
    this.flush();
    return true;
  }

  /** Sends what waited; from now on nothing waits. */
  flush(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const { offset, frame } of waiting) this.#send(offset, frame);
  }
}
