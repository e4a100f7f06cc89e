import type { Session } from './session.ts';
import type { SessionTable } from './session-table.ts';

const tickMs = 10;

/**
 * Comes by every session again and again: once in `roundMs`, a few at each tick, so that with thousands of them no message
 * waits for it.
 */
export class SessionScan {
  #timer: NodeJS.Timeout | undefined;
  #walk: Iterator<Session>;
  #lastTick = performance.now();
  /** Visits that are due. */
  #due = 0;

  constructor(
    private readonly table: SessionTable,
    private readonly roundMs: number,
    private readonly visit: (session: Session) => void,
    /** All were visited. */
    private readonly onRound: () => void,
  ) {
    this.#walk = table[Symbol.iterator]();
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  #tick(): void {
    const now = performance.now();
    const { size } = this.table;
    this.#due = Math.min(size, this.#due + (size * (now - this.#lastTick)) / this.roundMs);
    this.#lastTick = now;
    for (; this.#due >= 1; this.#due--) this.visit(this.#next());
    if (size === 0) this.onRound();
  }

  /** Those who came since the round began are met in it. */
  #next(): Session {
    for (;;) {
      const { value, done } = this.#walk.next();
      if (!done) return value;
      this.#walk = this.table[Symbol.iterator]();
      this.onRound();
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
