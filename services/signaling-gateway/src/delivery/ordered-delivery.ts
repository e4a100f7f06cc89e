import { type CloseCodeName, compareOffsets, type Offset } from '@flotilla/contracts';

/** The connection that frames are sent to. */
export interface Receiver {
  send(frame: Buffer): void;
  close(code: CloseCodeName, reason: string): void;
}

/** A stream entry for one receiver. `frame` is undefined for an event that is addressed to other receivers. */
export interface Delivery {
  readonly offset: Offset;
  readonly frame: Buffer | undefined;
}

/** Entries per read while catching up. A read that returns fewer has reached the end of the stream. */
export const readBatch = 500;

/** Number of live deliveries to hold while catching up. Beyond it the connection is closed. */
const maxHeld = 4096;

/**
 * A receiver's position in one stream: sends every entry after it once, in order. Live deliveries are held while older
 * entries are read, and until a resumed session has named its offsets.
 */
export class OrderedDelivery {
  #held: Delivery[] | undefined;
  #after: Offset;

  constructor(
    private readonly receiver: Receiver,
    after: Offset,
    hold: boolean,
  ) {
    this.#after = after;
    if (hold) this.#held = [];
  }

  /** Offset of the last entry that was sent or skipped. */
  get after(): Offset {
    return this.#after;
  }

  deliver(offset: Offset, frame: Buffer | undefined): void {
    if (!this.#held) return this.#send(offset, frame);
    if (this.#held.length < maxHeld) this.#held.push({ offset, frame });
    else this.receiver.close('SERVICE_RESTART', 'too many events while catching up, resume');
  }

  #send(offset: Offset, frame: Buffer | undefined): void {
    if (compareOffsets(offset, this.#after) <= 0) return;
    this.#after = offset;
    if (frame !== undefined) this.receiver.send(frame);
  }

  /**
   * Sends what `read` returns after `from`, until a batch is not full, then the held deliveries. Returns false when `read`
   * reports that entries were trimmed; deliveries stay held then.
   */
  async catchUp(
    read: (after: Offset) => Promise<readonly Delivery[] | 'trimmed'>,
    from = this.#after,
  ): Promise<boolean> {
    this.#held ??= [];
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

  /** Sends the held deliveries. Later ones are sent as they arrive. */
  flush(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { offset, frame } of held) this.#send(offset, frame);
  }
}
