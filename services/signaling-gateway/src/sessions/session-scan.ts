import type { Session } from './session.ts';
import type { SessionTable } from './session-table.ts';

/** Interval between two groups of visits, ms: as short as keeps a group below ten visits, within these bounds. */
const shortestTickMs = 10;
const longestTickMs = 100;

/**
 * Visits every session once per `scanMs`, a few per tick, so that a scan never blocks the event loop. A visit that throws is
 * reported and does not end the scan.
 */
export class SessionScan {
  #timer: NodeJS.Timeout | undefined;
  #remaining: Iterator<Session>;
  #lastTick = performance.now();
  #dueVisits = 0;

  constructor(
    private readonly table: SessionTable,
    private readonly scanMs: number,
    private readonly visit: (session: Session) => void,
    /** Called after each complete scan. */
    private readonly onScanned: () => void,
    private readonly onFailed: (session: Session, error: unknown) => void,
  ) {
    this.#remaining = table[Symbol.iterator]();
  }

  start(): void {
    const untilTenAreDue = (10 * this.scanMs) / Math.max(1, this.table.size);
    const tickMs = Math.min(longestTickMs, Math.max(shortestTickMs, untilTenAreDue));
    this.#timer = setTimeout(() => {
      this.#tick();
      if (this.#timer) this.start();
    }, tickMs);
  }

  #tick(): void {
    const now = performance.now();
    const { size } = this.table;
    this.#dueVisits = Math.min(size, this.#dueVisits + (size * (now - this.#lastTick)) / this.scanMs);
    this.#lastTick = now;
    for (; this.#dueVisits >= 1; this.#dueVisits--) this.#visitNext();
    if (size === 0) this.onScanned();
  }

  #visitNext(): void {
    const session = this.#next();
    try {
      this.visit(session);
    } catch (error) {
      this.onFailed(session, error);
    }
  }

  /** Sessions that were added since the scan began are part of it. */
  #next(): Session {
    for (;;) {
      const { value, done } = this.#remaining.next();
      if (!done) return value;
      this.#remaining = this.table[Symbol.iterator]();
      this.onScanned();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
