import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { diffTopologies, systemAddress, type Topology, type TopologyUpdate, userAddress } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';
import { textFrame } from '../delivery/websocket-frames.ts';
import { probeBacklogBytes, type Session } from '../sessions/session.ts';

/** Between the beginnings of two reads of the whole fleet. */
const everyMs = 5000;
/** Between the end of a read and the next, however long it took. Between two of the whole, its pulse is read. */
const pauseMs = 1000;
const drainCheckMs = 20;

/** A session that is told of the fleet, and how far it has been told. */
interface Watcher {
  readonly session: Session;
  known: Topology | undefined;
  sending: boolean;
}

/** An update, and its text once somebody needed it. */
interface Part {
  readonly update: TopologyUpdate;
  text?: string;
}

/**
 * Tells the sessions of this gateway that asked for it what the fleet looks like: everything first, then what changed, of
 * nodes and migrations each second, of the rest every 5 s. The fleet is read once for all of them, and only while there are any. One that is slow to take it in is not sent
 * more than it takes, and is then told what changed since what it has.
 */
export class TopologyStream {
  readonly #watchers = new Map<Session, Watcher>();
  #latest: Topology | undefined;
  /** What leads from what a watcher knows to the latest. */
  readonly #parts = new Map<Topology | undefined, Part[]>();
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #stopped = false;
  #wholeReadAt = -Infinity;

  constructor(
    private readonly fleet: Pick<Store, 'topology' | 'pulse'>,
    private readonly log: Logger,
    private readonly interval = { everyMs, pauseMs },
  ) {}

  /** Whoever watches already is told everything again. Throws FORBIDDEN. */
  watch(session: Session): void {
    session.requireGrant('admin');
    if (this.#stopped) return;
    const watcher: Watcher = { session, known: undefined, sending: false };
    this.#watchers.set(session, watcher);
    if (!this.#running) void this.#run();
    else void this.#tell(watcher);
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
    for (const watcher of this.#watchers.values()) this.#dropUnlessWatching(watcher);
    if (this.#watchers.size === 0) {
      this.#running = false;
      this.#latest = undefined;
      this.#parts.clear();
      return;
    }
    try {
      this.#latest = await this.#read();
      this.#parts.clear();
      for (const watcher of this.#watchers.values()) void this.#tell(watcher);
    } catch (error) {
      this.log.debug({ err: error }, 'topology not read');
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#run(), this.interval.pauseMs);
  }

  /** The whole when it is due, else the whole as it was, with what is read now of that which changes fast. */
  async #read(): Promise<Topology> {
    const now = performance.now();
    if (!this.#latest || now - this.#wholeReadAt >= this.interval.everyMs) {
      this.#wholeReadAt = now;
      return this.fleet.topology();
    }
    const { vertices, truncated } = this.#latest;
    const pulse = await this.fleet.pulse();
    const others = vertices.filter(({ kind }) => kind !== 'node' && kind !== 'migration');
    return { at: Date.now(), vertices: [...others, ...pulse], truncated };
  }

  /** It is there, it still wants to know, and its token still allows it. */
  #watches(watcher: Watcher): boolean {
    const { session } = watcher;
    return this.#watchers.get(session) === watcher && session.isOpen && session.identity.grants.includes('admin');
  }

  #dropUnlessWatching(watcher: Watcher): boolean {
    if (this.#watches(watcher)) return false;
    if (this.#watchers.get(watcher.session) === watcher) this.#watchers.delete(watcher.session);
    return true;
  }

  /** Tells a watcher what it does not know yet, until it knows the latest. */
  async #tell(watcher: Watcher): Promise<void> {
    if (watcher.sending) return;
    watcher.sending = true;
    while (this.#latest && watcher.known !== this.#latest) {
      const latest = this.#latest;
      for (const part of this.#partsSince(watcher.known, latest)) {
        while (this.#watches(watcher) && watcher.session.backlog > probeBacklogBytes) await delay(drainCheckMs);
        if (this.#dropUnlessWatching(watcher)) return;
        watcher.session.send(frame(watcher.session, (part.text ??= JSON.stringify(part.update))));
        // A large fleet is many parts, and the others' messages come first.
        await nextTurn();
      }
      watcher.known = latest;
    }
    watcher.sending = false;
  }

  #partsSince(known: Topology | undefined, latest: Topology): Part[] {
    const parts = this.#parts.get(known) ?? diffTopologies(known, latest).map((update) => ({ update }));
    this.#parts.set(known, parts);
    return parts;
  }
}

/** The event with a payload that is text already. */
function frame({ identity }: Session, payload: string): Buffer {
  const to = userAddress(identity.userId);
  const envelope = JSON.stringify({ type: 'topology_update', from: systemAddress, to, routedAt: Date.now() });
  return textFrame(`${envelope.slice(0, -1)},"payload":${payload}}`);
}
