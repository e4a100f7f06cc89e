import type { Logger } from '@flotilla/runtime';
import type { SessionStore } from '@flotilla/store';
import type { SessionTable } from './session-table.ts';

const heartbeatMs = 2000;

/** Reports to the store that this gateway is alive. After the store declared it dead, it reattaches its sessions. */
export class GatewayHeartbeat {
  #timer: NodeJS.Timeout | undefined;
  /** The store declared the gateway dead, and its sessions are not reattached yet. */
  #declaredDead = false;

  constructor(
    private readonly gatewayId: string,
    private readonly table: SessionTable,
    private readonly store: SessionStore,
    private readonly log: Logger,
  ) {}

  /** Throws UNAVAILABLE. */
  async start(): Promise<void> {
    await this.store.gatewayAlive(this.gatewayId);
    this.#timer = setInterval(() => void this.#report(), heartbeatMs);
  }

  async #report(): Promise<void> {
    try {
      this.#declaredDead = !(await this.store.gatewayAlive(this.gatewayId)) || this.#declaredDead;
      if (!this.#declaredDead) return;
      this.log.warn({ sessions: this.table.size }, 'gateway was declared dead, reattaching its sessions');
      await this.store.reattach(
        [...this.table].map(({ id }) => id),
        this.gatewayId,
      );
      this.#declaredDead = false;
    } catch (error) {
      this.log.debug({ err: error }, 'gateway heartbeat not written');
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
