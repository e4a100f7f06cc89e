import { type CloseCodeName, compareOffsets, type Offset } from '@flotilla/contracts';
import { maxBacklogBytes } from './backlog.ts';

/** The connection that frames are sent to. */
export interface Receiver {
  /** Bytes that are held for it in all of its deliveries. */
  heldBytes: number;
  send(frame: Buffer): void;
  close(code: CloseCodeName, reason: string): void;
}

/** A stream entry for one receiver, or for several. */
export interface Delivery<R extends Receiver = Receiver> {
  readonly offset: Offset;
  /** Undefined for an event that is addressed to other receivers. */
  readonly frame: Buffer | undefined;
  /** What the entry changes for its receiver. Run once, in the order of the stream, after the frame was sent. */
  readonly effect?: ((receiver: R) => void) | undefined;
}

/** Entries per read while catching up. A read that returns fewer has reached the end of the stream. */
export const readBatch = 500;

/** Number of live deliveries to hold while catching up. Beyond it the connection is closed. */
const maxHeld = 4096;

const bytesOf = ({ frame }: Delivery<never>): number => frame?.length ?? 0;

/**
 * A receiver's position in one stream: sends every entry after it once, in order. Live deliveries are held while older
 * entries are read, and until a resumed session has named its offsets.
 */
export class OrderedDelivery<R extends Receiver = Receiver> {
  #held: Delivery<R>[] | undefined;
  #after: Offset;
  #stopped = false;

  constructor(
    private readonly receiver: R,
    after: Offset,
  ) {
    this.#after = after;
  }

  /** Offset of the last entry that was sent or skipped. */
  get after(): Offset {
    return this.#after;
  }

  /** Holds what is delivered from now on, until `catchUp` or `flush`. */
  hold(): void {
    this.#held ??= [];
  }

  deliver(delivery: Delivery<R>): void {
    if (this.#stopped) return;
    if (!this.#held) return this.#send(delivery);
    const heldBytes = this.receiver.heldBytes + bytesOf(delivery);
    if (this.#held.length >= maxHeld || heldBytes > maxBacklogBytes) {
      this.stop();
      return this.receiver.close('SERVICE_RESTART', 'too many events while catching up, resume');
    }
    this.receiver.heldBytes = heldBytes;
    this.#held.push(delivery);
  }

  #send({ offset, frame, effect }: Delivery<R>): void {
    if (this.#stopped || compareOffsets(offset, this.#after) <= 0) return;
    this.#after = offset;
    if (frame !== undefined) this.receiver.send(frame);
    effect?.(this.receiver);
  }

  /**
   * Sends what `read` returns after `from`, until a batch is not full, then the held deliveries. Returns false when `read`
   * reports that entries were trimmed; deliveries stay held then.
   */
  async catchUp(
    read: (after: Offset) => Promise<readonly Delivery<R>[] | 'trimmed'>,
    from = this.#after,
  ): Promise<boolean> {
    this.hold();
    this.#after = from;
    while (!this.#stopped) {
      const deliveries = await read(this.#after);
      if (this.#stopped) break;
      if (deliveries === 'trimmed') return false;
      for (const delivery of deliveries) this.#send(delivery);
      if (deliveries.length < readBatch) break;
    }
    this.flush();
    return true;
  }

  /** Sends the held deliveries. Later ones are sent as they arrive. */
  flush(): void {
    for (const delivery of this.#takeHeld()) this.#send(delivery);
  }

  /** Drops the held deliveries. Nothing is sent afterwards. */
  stop(): void {
    this.#stopped = true;
    this.#takeHeld();
  }

  #takeHeld(): Delivery<R>[] {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const delivery of held) this.receiver.heldBytes -= bytesOf(delivery);
    return held;
  }
}
