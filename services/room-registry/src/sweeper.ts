import { participantIdOf } from '@flotilla/contracts';
import { counter, type Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';

const everyMs = 1000;
/** A gateway that was silent this long is gone; its sessions' windows begin. */
const gatewaySilentMs = 10_000;
const sessionsPerSweep = 200;

const swept = counter({
  name: 'registry_swept_total',
  help: 'What was cleared away because its time was over.',
  labelNames: ['what'],
});

/**
 * Clears away what nobody ends: rooms that stay empty, sessions whose window is over, sessions of gateways that died. Each
 * sweep looks at the whole state and may run in any number of registries at once. When the store is out of reach, as when
 * it forgot everything, nothing is swept.
 */
export class Sweeper {
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;

  constructor(
    private readonly store: Store,
    private readonly windowMs: number,
    private readonly log: Logger,
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
    const lost = await sessions.detachLost(gatewaySilentMs, this.windowMs);
    if (lost > 0) this.log.warn({ sessions: lost }, 'a gateway is gone, its sessions may resume elsewhere');
    for (const { id, rooms: joined } of await sessions.due(sessionsPerSweep)) {
      for (const roomId of joined) await rooms.leave(roomId, participantIdOf(id), 'disconnected');
      await sessions.close(id);
      swept.inc({ what: 'session' });
    }
    const expired = await rooms.deleteExpired();
    swept.inc({ what: 'room' }, expired.length);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }
}
