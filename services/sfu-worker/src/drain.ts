import { setTimeout as pause } from 'node:timers/promises';
import { FlotillaError, type NodeState } from '@flotilla/contracts';
import type { MediaNode } from '@flotilla/media';
import type { Logger } from '@flotilla/runtime';
import type { Heartbeat } from './heartbeat.ts';
import type { OwnState } from './node-state.ts';

const checkEveryMs = 100;
const logEveryMs = 1000;

/**
 * Drains the node: reports it as draining, on which the planner moves its peers to other nodes, and waits until it has no
 * sessions or the deadline passes; then the process ends. A stop (SIGTERM) and a command do the same, but a command can be
 * cancelled by another one.
 */
export class Drain {
  #running: Promise<void> | undefined;
  #deadline = 0;
  #stopping = false;
  /** The last drain ended: without sessions, or by its deadline. */
  #isDone = false;

  constructor(
    private readonly node: { media: MediaNode; state: OwnState; heartbeat: Heartbeat },
    /** Ends the process. Without it, the node stays until its state is set again. */
    private readonly endProcess: (() => void) | undefined,
    private readonly log: Logger,
  ) {}

  /**
   * Sets the node's state. Resolves when it is in the store.
   *
   * @throws FlotillaError NODE_UNAVAILABLE when the node is stopping; UNAVAILABLE when the store is out of reach: the state
   * is set, and the next heartbeat reports it.
   */
  async setState(state: NodeState, drainSeconds: number): Promise<void> {
    if (this.#stopping) throw new FlotillaError('NODE_UNAVAILABLE', 'this node is stopping');
    this.#isDone = false;
    if (state === 'draining') this.#begin(drainSeconds * 1000);
    else this.node.state.set(state);
    try {
      await this.node.heartbeat.reportNow();
    } finally {
      // Another command may have cancelled the drain meanwhile.
      if (this.node.state.current === 'draining') void this.#run();
    }
  }

  /** The process is stopping: resolves when the node has no sessions, or `withinMs` have passed. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    const { media, heartbeat } = this.node;
    if (withinMs === 0 || media.sessions === 0 || this.#isDone) return;
    this.#begin(withinMs);
    await heartbeat
      .reportNow()
      .catch((error: unknown) =>
        this.log.warn({ err: error }, 'state draining not reported, the next heartbeat repeats it'),
      );
    await this.#run();
  }

  #begin(withinMs: number): void {
    const { media, state } = this.node;
    const now = Date.now();
    this.#deadline = performance.now() + withinMs;
    state.drain = { startedAt: now, sessions: media.sessions, ...state.drain, deadline: now + withinMs };
    state.set('draining');
  }

  #run(): Promise<void> {
    return (this.#running ??= this.#drain().finally(() => (this.#running = undefined)));
  }

  async #drain(): Promise<void> {
    this.#isDone = await this.#waitForEnd();
    if (this.#isDone && !this.#stopping) this.endProcess?.();
  }

  /** Resolves to false when the drain was cancelled. */
  async #waitForEnd(): Promise<boolean> {
    const { media, state } = this.node;
    const startedAt = performance.now();
    let loggedAt = -Infinity;
    do {
      const now = performance.now();
      if (now - loggedAt > logEveryMs) {
        this.log.info({ sessions: media.sessions, sessionsAtStart: state.drain?.sessions }, 'node draining');
        loggedAt = now;
      }
      await pause(checkEveryMs);
      if (state.current !== 'draining') {
        this.log.info({ sessions: media.sessions }, 'drain cancelled');
        return false;
      }
    } while (media.sessions > 0 && performance.now() < this.#deadline);
    const ms = Math.round(performance.now() - startedAt);
    if (media.sessions > 0)
      this.log.warn({ sessions: media.sessions, ms }, 'drain timed out, its sessions lose their media');
    else this.log.info({ ms }, 'node drained');
    return true;
  }
}
