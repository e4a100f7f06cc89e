import type { Logger } from '@flotilla/runtime';
import type { RelayStore } from '@flotilla/store';
import { links, rooms } from './metrics.ts';
import type { Relay } from './relay.ts';

const everyMs = 500;

/** Reports the relay and its load, again and again. While the store is away it goes on and says so once. */
export class Heartbeat {
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #missed = 0;

  constructor(
    private readonly relay: Relay,
    private readonly relays: RelayStore,
    private readonly log: Logger,
  ) {}

  /** The first report is made before this resolves: from then on the relay is given links. */
  async start(): Promise<void> {
    await this.now();
    this.#timer = setInterval(() => {
      this.#beating ??= this.#beat().finally(() => (this.#beating = undefined));
    }, everyMs);
  }

  /** Reports at once. */
  async now(): Promise<void> {
    const { report } = this.relay;
    links.set({ relay: report.id }, report.links);
    rooms.set({ relay: report.id }, report.rooms);
    await this.relays.report(report);
  }

  async #beat(): Promise<void> {
    try {
      await this.now();
      if (this.#missed > 0) this.log.info({ missed: this.#missed }, 'heartbeats are written again');
      this.#missed = 0;
    } catch (error) {
      if (this.#missed++ === 0) this.log.warn({ err: error }, 'heartbeat not written');
    }
  }

  /** Takes the relay off, so that it is given no more links. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    await this.relays.remove(this.relay.id);
  }
}
