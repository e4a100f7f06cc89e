import type { MediaNode } from '@flotilla/media';
import type { Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';

/** Interval at which the liveness of the nodes that this one sends to is read, in milliseconds. */
const everyMs = 5000;
/** A node is dead when its last heartbeat is this much older than the newest of any node, in milliseconds. */
const deadAfterMs = 10_000;

/**
 * Stops sending to dead nodes: they do not close pipes, which would forward their publications until these end. A node is dead when
 * its heartbeats stop while others' are received; when all stop, the store is at fault, and nothing is closed.
 */
export class DeadNodes {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly media: Pick<MediaNode, 'pipeReceivers' | 'closePipesTo'>,
    private readonly nodes: Pick<NodeStore, 'deadOf'>,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.#timer = setInterval(() => {
      this.closePipes().catch((error: unknown) =>
        this.log.debug({ err: error }, 'liveness of pipe receivers not read'),
      );
    }, everyMs);
  }

  /** Throws UNAVAILABLE. */
  async closePipes(): Promise<void> {
    const receivers = [...this.media.pipeReceivers];
    if (receivers.length > 0) this.media.closePipesTo(new Set(await this.nodes.deadOf(receivers, deadAfterMs)));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
