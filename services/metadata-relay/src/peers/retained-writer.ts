import type { RetainedMessage } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { RelayStore } from '@flotilla/store';

/** Maximum delay of a write, in ms. Changes since the last write are lost when the relay dies. */
const flushMs = 250;

/** Writes retained messages of a room to the store, at most every 250 ms and then only the newest of each topic and publisher. */
export class RetainedWriter {
  #pending = new Map<string, RetainedMessage | { readonly topic: string; readonly publisherId: string }>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(
    private readonly roomId: string,
    private readonly relays: RelayStore,
    private readonly log: Logger,
  ) {}

  retain(message: RetainedMessage): void {
    this.#enqueue(message);
  }

  forget(topic: string, publisherId: string): void {
    this.#enqueue({ topic, publisherId });
  }

  #enqueue(change: RetainedMessage | { topic: string; publisherId: string }): void {
    this.#pending.set(`${change.publisherId} ${change.topic}`, change);
    this.#timer ??= setTimeout(() => this.#flush(), flushMs);
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
        'frames' in change
          ? this.relays.retain(this.roomId, change)
          : this.relays.forget(this.roomId, change.topic, change.publisherId);
      // A failure is repaired by the next change of the value.
      await done.catch((error: unknown) => this.log.debug({ err: error }, 'retained message not written'));
    }
  }

  /** Writes the pending changes. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#pending.size > 0) this.#flush();
  }
}
