import type { RoomEventPayload } from '@flotilla/contracts';
import { retry } from '@flotilla/runtime';

export type Limits = RoomEventPayload<'subscriptions_limited'>;

/** Least time between two notifications of a subscriber, in milliseconds. */
const everyMs = 1000;
/** How long a notification is repeated while the event log is out of reach, in milliseconds. */
const appendForMs = 60_000;

/**
 * Notifies a subscriber of what is paused for bandwidth. Each notification has all of it, and replaces the one before; changes are
 * collected, and one notification is appended at a time, so that the last one is the newest.
 */
export class LimitNotice {
  #next: Limits | undefined;
  #isSending = false;
  #closed = false;

  constructor(private readonly append: (limits: Limits) => Promise<unknown>) {}

  set(limits: Limits): void {
    this.#next = limits;
    if (!this.#isSending) void this.#send();
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    while (this.#next && !this.#closed) {
      try {
        await retry(() => this.#appendNext(), { forMs: appendForMs });
      } catch {
        // The next change is appended again.
        this.#next = undefined;
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs).unref());
    }
    this.#isSending = false;
  }

  /** A repetition appends what is newest by then. */
  async #appendNext(): Promise<void> {
    const limits = this.#next;
    if (!limits || this.#closed) return;
    await this.append(limits);
    if (this.#next === limits) this.#next = undefined;
  }

  close(): void {
    this.#closed = true;
  }
}
