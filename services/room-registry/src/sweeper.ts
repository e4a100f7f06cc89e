import { counter, type Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';

const everyMs = 1000;
/** Heartbeat timeout of a gateway; its sessions' resume windows begin then. */
const gatewayTimeoutMs = 10_000;
const sessionsPerSweep = 200;
/** Nodes and relays whose heartbeat is this old, and that nothing is assigned to, are removed. */
const deadAfterMs = 600_000;
/** Sweeps further apart than this had the store out of reach between them. */
const brokenContactMs = 5000;

const swept = counter({
  name: 'registry_swept_total',
  help: 'What was removed because its time was over: session, room, member (its session did not exist), node, relay.',
  labelNames: ['what'],
});
const failures = counter({
  name: 'registry_sweep_failures_total',
  help: 'Parts of a sweep that failed; they are tried again by the next sweep.',
  labelNames: ['part'],
});

/**
 * Removes what nobody ends: rooms that stay empty, sessions whose resume window has passed, sessions of dead gateways, members
 * whose session does not exist, dead nodes and relays. Each sweep reads the whole state and may run in any number of registries
 * at once; a part that fails does not keep the others from running.
 *
 * While the store is unreachable no heartbeat can be written, so missing ones do not count: afterwards gateways and clients get
 * as long to report as if they had just stopped.
 */
export class Sweeper {
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  /** Since when the store has been reachable, by the monotonic clock. */
  #reachableSince = performance.now();
  #lastSweptAt = this.#reachableSince;
  #repairCursor: string | undefined;

  constructor(
    private readonly store: Store,
    private readonly windowMs: number,
    private readonly log: Logger,
    /** Further parts of each sweep. */
    private readonly chores: Readonly<Record<string, () => Promise<void>>> = {},
  ) {}

  start(): void {
    this.#timer = setInterval(() => {
      this.#sweeping ??= this.sweep()
        .catch((error: unknown) => this.log.debug({ err: error }, 'sweep postponed'))
        .finally(() => (this.#sweeping = undefined));
    }, everyMs);
  }

  /** Throws UNAVAILABLE when the store is unreachable. */
  async sweep(): Promise<void> {
    const due = await this.store.sessions.due(sessionsPerSweep);
    const now = performance.now();
    if (now - this.#lastSweptAt > brokenContactMs) this.#reachableSince = now;
    this.#lastSweptAt = now;
    const reachableMs = now - this.#reachableSince;
    const parts: Readonly<Record<string, () => Promise<void>>> = {
      ...(reachableMs >= gatewayTimeoutMs && { gateways: () => this.#detachOrphaned() }),
      ...(reachableMs >= this.windowMs && { sessions: () => this.#closeSessions(due) }),
      ...this.chores,
      rooms: () => this.#deleteRooms(),
      members: () => this.#repair(),
      ...(reachableMs >= deadAfterMs && { dead: () => this.#removeDead() }),
    };
    for (const [part, run] of Object.entries(parts)) {
      try {
        await run();
      } catch (error) {
        failures.inc({ part });
        this.log.warn({ err: error, part }, 'part of a sweep failed');
      }
    }
  }

  async #detachOrphaned(): Promise<void> {
    for (;;) {
      const { sessions } = this.store;
      const { detached, more } = await sessions.detachOrphaned(gatewayTimeoutMs, this.windowMs, sessionsPerSweep);
      if (detached > 0) this.log.warn({ sessions: detached }, 'gateway declared dead, its sessions may resume');
      if (!more) return;
    }
  }

  async #closeSessions(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.store.sessions.close(id, 'disconnected');
      swept.inc({ what: 'session' });
    }
  }

  async #deleteRooms(): Promise<void> {
    const expired = await this.store.rooms.deleteExpired();
    swept.inc({ what: 'room' }, expired.length);
  }

  /** One page of rooms a sweep. */
  async #repair(): Promise<void> {
    const { removed, next } = await this.store.rooms.repair(this.#repairCursor);
    this.#repairCursor = next;
    if (removed > 0) this.log.warn({ members: removed }, 'members without a session removed');
    swept.inc({ what: 'member' }, removed);
  }

  async #removeDead(): Promise<void> {
    const { nodes, relays } = this.store;
    const all = await nodes.list();
    const newest = Math.max(...all.map(({ lastSeenAt }) => lastSeenAt));
    for (const { id, lastSeenAt, reserved } of all) {
      if (reserved > 0 || newest - lastSeenAt < deadAfterMs) continue;
      await nodes.remove(id);
      swept.inc({ what: 'node' });
    }
    const links = await relays.list();
    const newestRelay = Math.max(...links.map(({ lastSeenAt }) => lastSeenAt));
    for (const { id, lastSeenAt } of links) {
      if (newestRelay - lastSeenAt < deadAfterMs) continue;
      await relays.remove(id);
      swept.inc({ what: 'relay' });
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }
}
