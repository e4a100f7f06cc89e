import { counter, gauge, type Logger } from '@flotilla/runtime';
import { type FailedRecord, forEachRecord, type Store } from '@flotilla/store';

const everyMs = 1000;
/** Heartbeat timeout of a gateway; its sessions' resume windows begin then. */
const gatewayTimeoutMs = 10_000;
const sessionsPerSweep = 200;
/** Interval between two sweeps, in milliseconds, above which the store counts as having been unreachable between them. */
const storeOutageMs = 5000;

const swept = counter({
  name: 'registry_swept_total',
  help: 'Removed records, by kind: expired sessions and rooms, members without a session, dead nodes and relays. node_index: corrected entries of the index of the nodes.',
  labelNames: ['what'],
});
const sweeps = counter({
  name: 'registry_sweeps_total',
  help: 'Sweeps that came to their end; one begins each second. A part that failed is counted by registry_sweep_failures_total.',
});
const failures = counter({
  name: 'registry_sweep_failures_total',
  help: 'Failures by part of the sweep: of the whole part, or of one record. The next sweep repeats them.',
  labelNames: ['part'],
});
let lastSweptAt = performance.now();
gauge({
  name: 'registry_sweep_age_seconds',
  help: 'Time since the last sweep of this registry came to its end, or since its start.',
  collect() {
    this.set((performance.now() - lastSweptAt) / 1000);
  },
});

interface SweeperWindows {
  /** How long a session may resume after its connection was lost, ms. */
  readonly resumeMs: number;
  /** Nodes and relays whose heartbeat is this old, and that nothing is assigned to, are removed, ms. */
  readonly deadMs: number;
}

/**
 * Removes what has expired: rooms that stay empty, sessions whose resume window has passed, sessions of dead gateways, members
 * whose session does not exist, dead nodes and relays; corrects the index of the nodes. Each sweep reads the whole state and may run in any number of registries
 * at once. A part that fails does not keep the others from running, nor does a damaged record keep the others of its part from
 * being handled.
 *
 * While the store is unreachable no heartbeat can be written. Timeouts therefore start over when it is reachable again.
 */
export class Sweeper {
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  /** Time from which on the store has been reachable, by the monotonic clock. */
  #reachableSince = performance.now();
  #lastReachedAt = this.#reachableSince;
  #repairCursor: string | undefined;
  #nodeCursor: number | undefined;
  /** Number of expired sessions that the last sweep could not close. They stay due, in front of others. */
  #failedSessions = 0;

  constructor(
    private readonly store: Store,
    private readonly windows: SweeperWindows,
    private readonly log: Logger,
    /** Further parts of each sweep. */
    private readonly furtherParts: Readonly<Record<string, () => Promise<void>>> = {},
  ) {}

  start(): void {
    this.#timer = setInterval(() => {
      if (this.#sweeping) void this.#due(1).catch(() => undefined);
      this.#sweeping ??= this.sweep()
        .catch((error: unknown) => this.log.debug({ err: error }, 'sweep postponed'))
        .finally(() => (this.#sweeping = undefined));
    }, everyMs);
  }

  /** Throws UNAVAILABLE when the store is unreachable. */
  async sweep(): Promise<void> {
    const due = await this.#due(sessionsPerSweep + this.#failedSessions);
    const reachableMs = performance.now() - this.#reachableSince;
    const parts: Readonly<Record<string, () => Promise<void>>> = {
      ...(reachableMs >= gatewayTimeoutMs && { gateways: () => this.#detachOrphaned() }),
      ...(reachableMs >= this.windows.resumeMs && { sessions: () => this.#closeSessions(due) }),
      ...this.furtherParts,
      rooms: () => this.#deleteRooms(),
      members: () => this.#repair(),
      nodes: () => this.#repairNodes(),
      ...(reachableMs >= this.windows.deadMs && { dead: () => this.#removeDead() }),
    };
    for (const [part, run] of Object.entries(parts)) {
      try {
        await run();
      } catch (error) {
        failures.inc({ part });
        this.log.warn({ err: error, part }, 'part of a sweep failed');
      }
    }
    sweeps.inc();
    lastSweptAt = performance.now();
  }

  /** Sessions that have expired. Notes that the store is reachable, also during a sweep that takes long. */
  async #due(limit: number): Promise<readonly string[]> {
    const due = await this.store.sessions.due(limit);
    const now = performance.now();
    if (now - this.#lastReachedAt > storeOutageMs) this.#reachableSince = now;
    this.#lastReachedAt = now;
    return due;
  }

  #report(part: string, failed: readonly FailedRecord[]): void {
    for (const { record, error } of failed) {
      failures.inc({ part });
      this.log.warn({ err: error, part, record }, 'damaged record skipped by the sweep');
    }
  }

  async #detachOrphaned(): Promise<void> {
    for (;;) {
      const { sessions } = this.store;
      const { detached, failed, more } = await sessions.detachOrphaned(
        gatewayTimeoutMs,
        this.windows.resumeMs,
        sessionsPerSweep,
      );
      if (detached > 0) this.log.warn({ sessions: detached }, 'gateway declared dead, its sessions may resume');
      this.#report('gateways', failed);
      if (!more) return;
    }
  }

  async #closeSessions(ids: readonly string[]): Promise<void> {
    const failed = await forEachRecord(ids, async (id) => {
      if (await this.store.sessions.closeExpired(id)) swept.inc({ what: 'session' });
    });
    this.#failedSessions = failed.length;
    this.#report('sessions', failed);
  }

  async #deleteRooms(): Promise<void> {
    const { deleted, failed } = await this.store.rooms.deleteExpired();
    swept.inc({ what: 'room' }, deleted.length);
    this.#report('rooms', failed);
  }

  /** Repairs one page of rooms per sweep. */
  async #repair(): Promise<void> {
    const { removed, failed, next } = await this.store.rooms.repair(this.#repairCursor);
    this.#repairCursor = next;
    this.#report('members', failed);
    if (removed > 0) this.log.warn({ members: removed }, 'members without a session removed');
    swept.inc({ what: 'member' }, removed);
  }

  /** Repairs one page of the index of the nodes per sweep. */
  async #repairNodes(): Promise<void> {
    const { repaired, next } = await this.store.nodes.repair(this.#nodeCursor);
    this.#nodeCursor = next;
    swept.inc({ what: 'node_index' }, repaired);
  }

  async #removeDead(): Promise<void> {
    const { nodes, relays } = this.store;
    const { deadMs } = this.windows;
    const deadNodes = longDead(await nodes.list(), deadMs).filter(({ reserved }) => reserved === 0);
    const failedNodes = await forEachRecord(idsOf(deadNodes), async (id) => {
      await nodes.remove(id);
      swept.inc({ what: 'node' });
    });
    const failedRelays = await forEachRecord(idsOf(longDead(await relays.list(), deadMs)), async (id) => {
      await relays.remove(id);
      swept.inc({ what: 'relay' });
    });
    this.#report('dead', [...failedNodes, ...failedRelays]);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }
}

const idsOf = (all: readonly { readonly id: string }[]): string[] => all.map(({ id }) => id);

/** Those whose last heartbeat is `deadMs` older than the newest one. */
function longDead<T extends { readonly lastSeenAt: number }>(all: readonly T[], deadMs: number): T[] {
  const newest = Math.max(...all.map(({ lastSeenAt }) => lastSeenAt));
  return all.filter(({ lastSeenAt }) => newest - lastSeenAt >= deadMs);
}
