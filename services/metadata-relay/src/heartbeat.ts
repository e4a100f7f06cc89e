import type { Logger } from '@flotilla/runtime';
import type { RelayStore } from '@flotilla/store';
import { links, rooms } from './metrics.ts';
import type { Relay } from './relay.ts';

const intervalMs = 500;

/** Reports the relay and its load every 500 ms. Failed reports are logged once and retried at the next interval. */
export class Heartbeat {
  #timer: NodeJS.Timeout | undefined;
  #reporting: Promise<void> | undefined;
  #failures = 0;

  constructor(
    private readonly relay: Relay,
    private readonly relays: RelayStore,
    private readonly log: Logger,
  ) {}

  /** Resolves after the first report; from then on links are assigned to the relay. */
  async start(): Promise<void> {
    await this.reportNow();
    this.#timer = setInterval(() => {
      this.#reporting ??= this.#tryReport().finally(() => (this.#reporting = undefined));
    }, intervalMs);
  }

  /** Reports at once. */
  async reportNow(): Promise<void> {
    const { report } = this.relay;
    links.set({ relay: report.id }, report.links);
    rooms.set({ relay: report.id }, report.rooms);
    await this.relays.report(report);
  }

  async #tryReport(): Promise<void> {
    try {
      await this.reportNow();
      if (this.#failures > 0) this.log.info({ failures: this.#failures }, 'heartbeat written again');
      this.#failures = 0;
    } catch (error) {
      if (this.#failures++ === 0) this.log.warn({ err: error }, 'heartbeat not written');
    }
  }

  /** Stops reporting and removes the relay from the store, so that no more links are assigned to it. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reporting;
    await this.relays.remove(this.relay.id);
  }
}
