import { setTimeout as pause } from 'node:timers/promises';
import { FlotillaError, type NodeState } from '@flotilla/contracts';
import type { MediaNode } from '@flotilla/media';
import type { Logger } from '@flotilla/runtime';
import type { Heartbeat } from './heartbeat.ts';
import type { OwnState } from './node-state.ts';

const lookEveryMs = 100;
const reportEveryMs = 1000;

/**
 * Lets the peers of the node be moved to others: reports it as draining, which is what the planner acts on, and waits until
 * nobody is left or the time is over; then the process ends. A stop (SIGTERM) and an order do the same, but that an order
 * can be called off while it goes on.
 */
export class Drain {
  #running: Promise<boolean> | undefined;
  #deadline = 0;
  #stopping = false;
  /** An order was carried out, or its time is over. */
  #over = false;

  constructor(
    private readonly node: { media: MediaNode; state: OwnState; heartbeat: Heartbeat },
    /** Ends the process. Without it the node stays, empty, until it is taken back. */
    private readonly endProcess: (() => void) | undefined,
    private readonly log: Logger,
  ) {}

  /**
   * What the node is there for from now on. Resolves when the fleet knows. Throws NODE_UNAVAILABLE for a node that stops, and
   * UNAVAILABLE when the fleet can't be told now; the next heartbeat will.
   */
  async order(state: NodeState, drainSeconds: number): Promise<void> {
    if (this.#stopping) throw new FlotillaError('NODE_UNAVAILABLE', 'this node is stopping');
    const wasRunning = this.#running !== undefined;
    this.#over = false;
    if (state === 'draining') this.#begin(drainSeconds * 1000);
    else this.node.state.set(state);
    try {
      await this.node.heartbeat.now();
    } finally {
      if (state === 'draining' && !wasRunning) void this.#carryOut();
    }
  }

  async #carryOut(): Promise<void> {
    this.#over = await this.#run();
    if (this.#over && !this.#stopping) this.endProcess?.();
  }

  /** The process ends: resolves when nobody is left, or the time is over. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    const { media, heartbeat } = this.node;
    if (withinMs === 0 || media.sessions === 0 || this.#over) return;
    this.#begin(withinMs);
    await heartbeat
      .now()
      .catch((error: unknown) => this.log.warn({ err: error }, 'could not tell that the node drains'));
    await this.#run();
  }

  #begin(withinMs: number): void {
    const { media, state } = this.node;
    const now = Date.now();
    this.#deadline = performance.now() + withinMs;
    state.drain = { startedAt: now, sessions: media.sessions, ...state.drain, deadline: now + withinMs };
    state.set('draining');
  }

  /** Resolves to false when the drain was called off. */
  #run(): Promise<boolean> {
    return (this.#running ??= this.#wait().finally(() => (this.#running = undefined)));
  }

  async #wait(): Promise<boolean> {
    const { media, state } = this.node;
    const began = performance.now();
    let reportedAt = -Infinity;
    do {
      const now = performance.now();
      if (now - reportedAt > reportEveryMs) {
        this.log.info({ sessions: media.sessions, of: state.drain?.sessions }, 'draining');
        reportedAt = now;
      }
      await pause(lookEveryMs);
      if (state.current !== 'draining') {
        this.log.info({ sessions: media.sessions }, 'the drain was called off');
        return false;
      }
    } while (media.sessions > 0 && performance.now() < this.#deadline);
    if (media.sessions > 0)
      this.log.warn({ sessions: media.sessions }, 'the time to drain is over, the rest loses its media');
    else this.log.info({ ms: Math.round(performance.now() - began) }, 'drained');
    return true;
  }
}
