import { setTimeout as pause } from 'node:timers/promises';
import { type Logger, retry } from '@flotilla/runtime';
import type { SessionStore } from '@flotilla/store';
import type { Session } from './session.ts';

/** Clean-up is retried for this long while a broker is unreachable, ms; afterwards the registry's sweeper does it. */
const retryMs = 180_000;
/** Grace period before a dropped connection is persisted as detached, ms. Most clients reconnect within it, which saves a write. */
const detachGraceMs = 1000;
/** Time that a stopping gateway waits for clean-up, ms. */
const flushMs = 5000;

interface PendingDetach {
  readonly timer: NodeJS.Timeout;
  readonly detach: () => void;
}

/** Persists that connections of this gateway are detached, and ends sessions. */
export class SessionCleanup {
  readonly #pendingDetaches = new Map<string, PendingDetach>();
  readonly #running = new Set<Promise<void>>();
  #graceMs: number;

  constructor(
    private readonly store: SessionStore,
    private readonly resumeWindowMs: number,
    private readonly log: Logger,
  ) {
    this.#graceMs = Math.min(detachGraceMs, resumeWindowMs);
  }

  /**
   * Persists, after the grace period, that the session has no connection: it may resume within the resume window, which starts
   * now. `resumeHash` is that of the lost connection; the store ignores it when a later connection exists.
   */
  scheduleDetach(sessionId: string, resumeHash: string): void {
    this.cancelDetach(sessionId);
    const graceMs = this.#graceMs;
    const detach = (): void => {
      this.cancelDetach(sessionId);
      this.#run(sessionId, () => this.store.detach(sessionId, resumeHash, this.resumeWindowMs - graceMs));
    };
    if (graceMs === 0) detach();
    else this.#pendingDetaches.set(sessionId, { detach, timer: setTimeout(detach, graceMs) });
  }

  cancelDetach(sessionId: string): void {
    clearTimeout(this.#pendingDetaches.get(sessionId)?.timer);
    this.#pendingDetaches.delete(sessionId);
  }

  /** Ends a session with all its rooms, unless it was resumed by another connection. */
  end({ id, resumeHash }: Session): void {
    this.#run(id, async () => {
      await this.store.close(id, 'left', resumeHash);
    });
  }

  #run(sessionId: string, work: () => Promise<void>): void {
    const running = retry(work, { forMs: retryMs })
      .catch((error: unknown) =>
        this.log.warn({ err: error, sessionId }, 'session clean-up failed; the sweeper of the registry repeats it'),
      )
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** From now on dropped connections are persisted without a grace period. */
  skipGrace(): void {
    this.#graceMs = 0;
  }

  /** Persists all pending detaches, and waits for the clean-up that runs, at most 5 s. */
  async flush(): Promise<void> {
    for (const { detach } of this.#pendingDetaches.values()) detach();
    const deadline = new AbortController();
    await Promise.race([
      Promise.all(this.#running),
      pause(flushMs, undefined, { signal: deadline.signal }).catch(() => undefined),
    ]);
    deadline.abort();
  }
}
