import type { RoomEventPayload } from '@flotilla/contracts';
import { retry } from '@flotilla/runtime';

export type Limits = RoomEventPayload<'subscriptions_limited'>;

/** Least time between two notifications of a subscriber, in milliseconds; doubled by each change: the room's stream keeps a limited number of events. */
const minGapMs = 1000;
const maxGapMs = 30_000;
/** After a time without changes the gap is the least one again, in milliseconds. */
const calmMs = 60_000;
/** How often the last list is notified again while something is limited, and once after that, in milliseconds: events may be missed. */
const repeatEveryMs = 60_000;

/**
 * Notifies a subscriber of what is paused for bandwidth. Each notification has all of it, and replaces the one before; changes are
 * collected, and one notification is appended at a time, so that the last one is the newest.
 */
export class LimitNotice {
  #next: Limits | undefined;
  /** Appended last. */
  #last: Limits | undefined;
  #isSending = false;
  /** When the last change was appended, by `performance.now`, and the least time until the next one. */
  #changedMs = -Infinity;
  #gapMs = minGapMs;
  #repeatTimer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param append called again until it succeeds. */
  constructor(private readonly append: (limits: Limits) => Promise<unknown>) {}

  set(limits: Limits): void {
    this.#next = limits;
    if (!this.#isSending) void this.#send();
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    clearTimeout(this.#repeatTimer);
    while (this.#next && !this.#closed) {
      const waitMs = this.#changedMs + this.#gapMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs).unref());
      await retry(() => this.#appendNext(), { forMs: Infinity });
    }
    this.#isSending = false;
  }

  /** A repetition appends what is newest by then. */
  async #appendNext(): Promise<void> {
    const limits = this.#next;
    if (!limits || this.#closed) return;
    await this.append(limits);
    const isRepetition = limits === this.#last;
    this.#last = limits;
    if (!isRepetition) this.#changed();
    if (this.#next !== limits) return;
    this.#next = undefined;
    if (!isRepetition || limits.publicationIds.length > 0) this.#repeatLater(limits);
  }

  #changed(): void {
    const nowMs = performance.now();
    this.#gapMs = nowMs - this.#changedMs >= calmMs ? minGapMs : Math.min(2 * this.#gapMs, maxGapMs);
    this.#changedMs = nowMs;
  }

  #repeatLater(limits: Limits): void {
    if (this.#closed) return;
    this.#repeatTimer = setTimeout(() => this.set(limits), repeatEveryMs);
    this.#repeatTimer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#repeatTimer);
  }
}
