import { FlotillaError, type RetainedMessage } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { RelayStore, RetainedKey } from '@flotilla/store';

/** Maximum delay of a write, in ms. Changes since the last write are lost when the relay dies. */
const flushMs = 250;

/** Pause before a change that failed while the store was unavailable is written again, in ms. */
const retryMs = 2000;

/** A value to keep, or the key of one to delete. */
type Change = RetainedMessage | RetainedKey;

/**
 * Writes retained messages of a room to the store, at most every 250 ms and then only the newest of each topic and publisher. While the
 * store is unavailable, the newest change of each is tried again.
 */
export class RetainedWriter {
  #pending = new Map<string, Change>();
  #timer: NodeJS.Timeout | undefined;
  /** When the timer is due, by `performance.now`. */
  #dueAt = 0;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(
    private readonly roomId: string,
    private readonly relays: Pick<RelayStore, 'retain' | 'forget'>,
    private readonly log: Logger,
  ) {}

  retain(message: RetainedMessage): void {
    this.#enqueue(message);
  }

  forget({ topic, publisherId, userId }: RetainedKey): void {
    this.#enqueue({ topic, publisherId, userId });
  }

  /** Drops the pending changes of a publisher whose values the store has deleted: written later, they could replace or delete newer ones. */
  cancel(publisherId: string): void {
    for (const [key, change] of this.#pending) if (change.publisherId === publisherId) this.#pending.delete(key);
  }

  #enqueue(change: Change): void {
    this.#pending.set(keyOf(change), change);
    this.#flushWithin(flushMs);
  }

  /** A pending write that is due later, as after a failure, is brought forward. */
  #flushWithin(ms: number): void {
    const dueAt = performance.now() + ms;
    if (this.#timer && this.#dueAt <= dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#flush(), ms);
  }

  /** Writes a change again later, unless a newer one of the value is pending. */
  #retry(change: Change): void {
    if (this.#closed || this.#pending.has(keyOf(change))) return;
    this.#pending.set(keyOf(change), change);
    this.#flushWithin(retryMs);
  }

  #flush(): void {
    this.#timer = undefined;
    this.#writing = (this.#writing ?? Promise.resolve()).then(() => this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    const changes = this.#pending;
    this.#pending = new Map();
    for (const change of changes.values()) {
      const done =
        'frames' in change ? this.relays.retain(this.roomId, change) : this.relays.forget(this.roomId, change);
      await done.catch((error: unknown) => {
        this.log.debug({ err: error }, 'retained message not written');
        if (FlotillaError.from(error).code === 'UNAVAILABLE') this.#retry(change);
      });
    }
  }

  /** Writes the pending changes once more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#pending.size > 0) this.#flush();
  }
}

const keyOf = ({ publisherId, topic }: RetainedKey): string => `${publisherId} ${topic}`;
