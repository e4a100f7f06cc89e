import { participantIdOf } from '@flotilla/contracts';
import { counter, type Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';

const everyMs = 1000;
/** A gateway that was silent this long is gone; its sessions' windows begin. */
const gatewayTimeoutMs = 10_000;
const sessionsPerSweep = 200;
/** Sweeps further apart than this had the store out of reach between them. */
const brokenContactMs = 5000;

const swept = counter({
  name: 'registry_swept_total',
  help: 'What was cleared away because its time was over.',
  labelNames: ['what'],
});

/**
 * Clears away what nobody ends: rooms that stay empty, sessions whose window is over, sessions of gateways that died. Each
 * sweep looks at the whole state and may run in any number of registries at once.
 *
 * While the store is out of reach nobody can be heard, so nobody's silence counts: after such a time gateways and clients
 * get as long to report as if they had just fallen silent.
 */
export class Sweeper {
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  /** Since when the store was in reach without a break, by the monotonic clock. */
  #inReachSince = performance.now();
  #lastSweptAt = this.#inReachSince;

  constructor(
    private readonly store: Store,
    private readonly windowMs: number,
    private readonly log: Logger,
    /** What else is to be put in order at each sweep. */
    private readonly chores: readonly (() => Promise<void>)[] = [],
  ) {}

  start(): void {
    this.#timer = setInterval(() => {
      this.#sweeping ??= this.sweep()
        .catch((error: unknown) => this.log.debug({ err: error }, 'sweep put off'))
        .finally(() => (this.#sweeping = undefined));
    }, everyMs);
  }

  async sweep(): Promise<void> {
    const { rooms, sessions } = this.store;
    const due = await sessions.due(sessionsPerSweep);
    const now = performance.now();
    if (now - this.#lastSweptAt > brokenContactMs) this.#inReachSince = now;
    this.#lastSweptAt = now;
    const inReachMs = now - this.#inReachSince;

    if (inReachMs >= gatewayTimeoutMs) {
      const lost = await sessions.detachOrphaned(gatewayTimeoutMs, this.windowMs);
      if (lost > 0) this.log.warn({ sessions: lost }, 'a gateway is gone, its sessions may resume elsewhere');
    }
    for (const { id, rooms: joined } of inReachMs >= this.windowMs ? due : []) {
      for (const roomId of joined) await rooms.leave(roomId, participantIdOf(id), 'disconnected');
      await sessions.close(id);
      swept.inc({ what: 'session' });
    }
    for (const chore of this.chores) await chore();
    const expired = await rooms.deleteExpired();
    swept.inc({ what: 'room' }, expired.length);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }
}
