import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { diffTopologies, systemAddress, type Topology, type TopologyUpdate, userAddress } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';
import { probeBacklogBytes } from '../delivery/backlog.ts';
import { textFrame } from '../delivery/websocket-frames.ts';
import type { Session } from '../sessions/session.ts';

/** Interval between the starts of two reads of the whole topology, ms. */
const fullReadMs = 5000;
/** Pause between the end of a read and the next, ms. In between full reads, only the pulse is read. */
const pauseMs = 1000;
/** Interval at which a slow session's backlog is checked, ms. */
const backlogCheckMs = 20;

/** What the pulse reads. */
const pulsing: ReadonlySet<string> = new Set(['node', 'migration', 'breaker', 'canary']);

/** A subscribed session, and the topology that it has been sent. */
interface Watcher {
  readonly session: Session;
  sent: Topology | undefined;
  sending: boolean;
}

/** An update, with its JSON once it was needed. */
interface Part {
  readonly update: TopologyUpdate;
  text?: string;
}

/**
 * Sends the topology to the sessions of this gateway that subscribed to it: all of it first, then changes, those of nodes,
 * migrations, breakers and the canary each second, the others every 5 s. It is read once for all of them, and only while there are any. A slow session
 * is sent no more until its backlog is empty, then the changes since what it has.
 */
export class TopologyStream {
  readonly #watchers = new Map<Session, Watcher>();
  #latest: Topology | undefined;
  /** Updates from the topology that a watcher has to the latest. */
  readonly #parts = new Map<Topology | undefined, Part[]>();
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #stopped = false;
  #fullReadAt = -Infinity;

  constructor(
    private readonly store: Pick<Store, 'topology' | 'pulse'>,
    private readonly log: Logger,
    private readonly interval = { fullReadMs, pauseMs },
  ) {}

  /** Subscribes a session. One that is subscribed is sent everything again. Throws FORBIDDEN. */
  watch(session: Session): void {
    session.requireGrantsFor('watch_topology', undefined);
    if (this.#stopped) return;
    const watcher: Watcher = { session, sent: undefined, sending: false };
    this.#watchers.set(session, watcher);
    if (!this.#running) void this.#run();
    else void this.#sendChanges(watcher);
  }

  unwatch(session: Session): void {
    this.#watchers.delete(session);
  }

  stop(): void {
    this.#stopped = true;
    this.#watchers.clear();
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (const watcher of this.#watchers.values()) this.#dropUnlessSubscribed(watcher);
    if (this.#watchers.size === 0) {
      this.#running = false;
      this.#latest = undefined;
      this.#parts.clear();
      return;
    }
    try {
      this.#latest = await this.#read();
      this.#parts.clear();
      for (const watcher of this.#watchers.values()) void this.#sendChanges(watcher);
    } catch (error) {
      this.log.debug({ err: error }, 'topology not read');
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#run(), this.interval.pauseMs);
  }

  /** All of the topology if a full read is due, else the latest with the current nodes, migrations and breakers. */
  async #read(): Promise<Topology> {
    const now = performance.now();
    if (!this.#latest || now - this.#fullReadAt >= this.interval.fullReadMs) {
      this.#fullReadAt = now;
      return this.store.topology();
    }
    const { vertices, truncated } = this.#latest;
    const pulse = await this.store.pulse();
    const others = vertices.filter(({ kind }) => !pulsing.has(kind));
    return { at: Date.now(), vertices: [...others, ...pulse], truncated };
  }

  /** Whether the session is open, subscribed, and still has the grant. */
  #isSubscribed(watcher: Watcher): boolean {
    const { session } = watcher;
    return this.#watchers.get(session) === watcher && session.isOpen && session.identity.grants.includes('admin');
  }

  #dropUnlessSubscribed(watcher: Watcher): boolean {
    if (this.#isSubscribed(watcher)) return false;
    if (this.#watchers.get(watcher.session) === watcher) this.#watchers.delete(watcher.session);
    return true;
  }

  /** Sends a watcher the changes since what it has, until it has the latest topology. */
  async #sendChanges(watcher: Watcher): Promise<void> {
    if (watcher.sending) return;
    watcher.sending = true;
    while (this.#latest && watcher.sent !== this.#latest) {
      const latest = this.#latest;
      for (const part of this.#partsSince(watcher.sent, latest)) {
        while (this.#isSubscribed(watcher) && watcher.session.backlog > probeBacklogBytes) await delay(backlogCheckMs);
        if (this.#dropUnlessSubscribed(watcher)) return;
        watcher.session.send(frame(watcher.session, (part.text ??= JSON.stringify(part.update))));
        // A large topology has many parts; other messages are handled in between.
        await nextTurn();
      }
      watcher.sent = latest;
    }
    watcher.sending = false;
  }

  #partsSince(sent: Topology | undefined, latest: Topology): Part[] {
    const parts = this.#parts.get(sent) ?? diffTopologies(sent, latest).map((update) => ({ update }));
    this.#parts.set(sent, parts);
    return parts;
  }
}

/** Frame of the event, from a payload that is JSON already. */
function frame({ identity }: Session, payload: string): Buffer {
  const to = userAddress(identity.userId);
  const envelope = JSON.stringify({ type: 'topology_update', from: systemAddress, to, routedAt: Date.now() });
  return textFrame(`${envelope.slice(0, -1)},"payload":${payload}}`);
}
