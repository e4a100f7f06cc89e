import type { Logger } from '@flotilla/runtime';
import { forEachRecord, type SessionStore } from '@flotilla/store';
import type { SessionTable } from './session-table.ts';

/** Pause between two comparisons, ms. Longer than a handshake may take. */
const compareMs = 12_000;

/**
 * Detaches sessions that the store has as connected to this gateway, which has no such connection: the answer to an admission
 * was lost, or the end of a connection could not be written. Their clients may resume within the window. Two comparisons in a row
 * must miss a connection, since one may be between its admission and its opening.
 */
export class LostSessions {
  #timer: NodeJS.Timeout | undefined;
  /** Resume hashes of the connections that the last comparison missed, by session id. */
  #missing = new Map<string, string>();

  constructor(
    private readonly gatewayId: string,
    private readonly table: SessionTable,
    private readonly store: SessionStore,
    private readonly resumeWindowMs: number,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.#timer = setTimeout(() => void this.#run(), compareMs);
  }

  async #run(): Promise<void> {
    try {
      await this.#compare();
    } catch (error) {
      this.log.debug({ err: error }, 'sessions not compared');
    }
    // Counted from the end: the next one must not look at the table sooner, however long this one took.
    if (this.#timer) this.start();
  }

  async #compare(): Promise<void> {
    const connected = await this.store.connectedTo(this.gatewayId, this.table.size);
    const missing = new Map<string, string>();
    const lost = new Map<string, string>();
    for (const { id, resumeHash } of connected) {
      if (this.table.get(id)?.resumeHash === resumeHash) continue;
      if (this.#missing.get(id) !== resumeHash) {
        missing.set(id, resumeHash);
        continue;
      }
      lost.set(id, resumeHash);
    }
    this.#missing = missing;
    const failed = await forEachRecord([...lost.keys()], async (id) => {
      await this.store.detach(id, lost.get(id)!, this.resumeWindowMs);
      this.log.info({ sessionId: id }, 'session without a connection detached');
    });
    for (const { record, error } of failed)
      this.log.warn({ err: error, sessionId: record }, 'damaged session without a connection not detached');
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
