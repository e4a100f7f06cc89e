import { FlotillaError } from '@flotilla/client';
import { SignalSocket } from '@flotilla/client/signal';
import {
  applyTopologyUpdate,
  type Event,
  type Drill,
  type DrillStarted,
  TopologyUpdate,
  type TopologyVertex,
} from '@flotilla/contracts';
import { ConsoleRequests, needsKey } from './console-requests.ts';

/** `key`: an API key is required. `lost`: there is no connection, and it is attempted again. */
export type WatchState = 'connecting' | 'live' | 'lost' | 'key';

const minPauseMs = 500;
const maxPauseMs = 15_000;

interface Entry {
  readonly token: string;
  readonly url?: string;
}

/** Keeps the vertices of the fleet up to date, and reconnects. */
export class FleetWatch {
  readonly vertices = new Map<string, TopologyVertex>();
  state: WatchState = 'connecting';
  /** Time of the last update, in milliseconds since the Unix epoch. */
  at: number | undefined;
  truncated = false;
  /** Why there is no connection. */
  problem: FlotillaError | undefined;
  readonly #console = new ConsoleRequests();
  #socket: SignalSocket | undefined;
  #stopped = false;
  #failures = 0;
  #wake: () => void = () => undefined;

  constructor(private readonly changed: () => void) {}

  start(): void {
    this.#stopped = false;
    void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.close();
    this.#wake();
  }

  useKey(key: string): void {
    this.#console.enter(key);
    this.#enter('connecting');
    this.#wake();
  }

  /** Requests an action. Rejects with the reason when it is refused. */
  async drill(drill: Drill): Promise<DrillStarted> {
    if (!this.#socket || this.state !== 'live')
      throw new FlotillaError('UNAVAILABLE', 'the connection to the fleet is lost');
    return this.#socket.request('drill', drill);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        const { token, url } = await this.#requestEntry();
        await this.#watch(url ?? location.origin, token);
        this.problem = undefined;
        this.#enter('lost');
      } catch (error) {
        this.problem = FlotillaError.from(error);
        this.#enter(needsKey(this.problem.code) ? 'key' : 'lost');
      }
      if (this.#stopped) return;
      const pauseMs = Math.min(maxPauseMs, minPauseMs * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.state !== 'key') setTimeout(resolve, pauseMs);
      });
    }
  }

  /** Resolves when the connection has closed. */
  async #watch(url: string, token: string): Promise<void> {
    const socket = await SignalSocket.open(url, { token }, (event) => this.#onEvent(event));
    this.#socket = socket;
    const closed = new Promise<void>((resolve) => (socket.onClosed = () => resolve()));
    if (this.#stopped) return socket.close();
    try {
      await socket.request('watch_topology', {});
      await closed;
    } finally {
      socket.close();
    }
  }

  #onEvent({ type, payload }: Event): void {
    if (type === 'token_expiring') void this.#refresh();
    if (type !== 'topology_update') return;
    const update = TopologyUpdate.safeParse(payload);
    if (!update.success) return;
    applyTopologyUpdate(this.vertices, update.data);
    this.at = update.data.at;
    this.truncated = update.data.truncated;
    this.#failures = 0;
    this.problem = undefined;
    this.#enter('live');
  }

  async #requestEntry(): Promise<Entry> {
    return (await this.#console.send('console/topology-entry', { method: 'POST' })) as Entry;
  }

  /** Without a new token the gateway closes the connection, and the page opens another one. */
  async #refresh(): Promise<void> {
    try {
      const { token } = await this.#requestEntry();
      await this.#socket?.request('refresh_token', { token });
    } catch (error) {
      this.problem = FlotillaError.from(error);
    }
  }

  #enter(state: WatchState): void {
    this.state = state;
    this.changed();
  }
}
