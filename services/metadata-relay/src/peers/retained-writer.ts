import type { RetainedMessage } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { RelayStore } from '@flotilla/store';

/** A value that changes all the time is written so often, ms. What changed since is lost when the relay dies. */
const everyMs = 250;

/** Writes what a room retains to the store: of each value the newest, the others not at all. */
export class RetainedWriter {
  #waiting = new Map<string, RetainedMessage | { readonly topic: string; readonly publisherId: string }>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(
    private readonly roomId: string,
    private readonly relays: RelayStore,
    private readonly log: Logger,
  ) {}

  retain(message: RetainedMessage): void {
    this.#later(message);
  }

  forget(topic: string, publisherId: string): void {
    this.#later({ topic, publisherId });
  }

  #later(change: RetainedMessage | { topic: string; publisherId: string }): void {
    this.#waiting.set(`${change.publisherId} ${change.topic}`, change);
    this.#timer ??= setTimeout(() => this.#write(), everyMs);
  }

  #write(): void {
    this.#timer = undefined;
    this.#writing = (this.#writing ?? Promise.resolve()).then(() => this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    const changes = this.#waiting;
    this.#waiting = new Map();
    for (const change of changes.values()) {
      const done =
        'frames' in change
          ? this.relays.retain(this.roomId, change)
          : this.relays.forget(this.roomId, change.topic, change.publisherId);
      // The next change of the value writes it again.
      await done.catch((error: unknown) => this.log.debug({ err: error }, 'a retained value was not written'));
    }
  }

  /** Writes what waits. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.size > 0) this.#write();
  }
}
