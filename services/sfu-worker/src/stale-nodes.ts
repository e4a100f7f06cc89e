import { FlotillaError } from '@flotilla/contracts';

const unavailable = (nodeId: string): FlotillaError =>
  new FlotillaError('NODE_UNAVAILABLE', `${nodeId} sends no heartbeats`);

/** The nodes whose heartbeats stopped, as of this node's own last heartbeat. */
export class StaleNodes {
  #ids: ReadonlySet<string> = new Set();
  /** One for each answer that is awaited. */
  readonly #checks = new Set<() => void>();

  update(ids: readonly string[]): void {
    this.#ids = new Set(ids);
    for (const check of this.#checks) check();
  }

  /** Asks a node, and waits for its answer. Throws NODE_UNAVAILABLE when its heartbeats stop before, without asking when they have. */
  async answerOf<T>(nodeId: string, ask: () => Promise<T>): Promise<T> {
    if (this.#ids.has(nodeId)) throw unavailable(nodeId);
    const stale = Promise.withResolvers<never>();
    const check = (): void => {
      if (this.#ids.has(nodeId)) stale.reject(unavailable(nodeId));
    };
    this.#checks.add(check);
    try {
      return await Promise.race([ask(), stale.promise]);
    } finally {
      this.#checks.delete(check);
    }
  }
}
