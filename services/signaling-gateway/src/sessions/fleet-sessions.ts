import type { SessionStore } from '@flotilla/store';
import type { SessionTable } from './session-table.ts';

/** Age at which the number is read again, ms. */
const refreshMs = 5000;

/** Number of sessions in the whole fleet, which receive messages to everybody. It is read when it is asked for, at most once in `refreshMs`. */
export class FleetSessions {
  #read: { readonly at: number; readonly count: Promise<number> } | undefined;

  constructor(
    private readonly store: Pick<SessionStore, 'count'>,
    private readonly table: Pick<SessionTable, 'size'>,
  ) {}

  /** Throws UNAVAILABLE. */
  async count(now: number = performance.now()): Promise<number> {
    if (!this.#read || now - this.#read.at >= refreshMs) {
      const count = this.store.count();
      this.#read = { at: now, count };
      count.catch(() => (this.#read = undefined));
    }
    return Math.max(await this.#read.count, this.table.size);
  }
}
