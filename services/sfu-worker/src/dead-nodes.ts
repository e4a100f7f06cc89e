import type { MediaNode } from '@flotilla/media';
import type { Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';

/** Interval at which the nodes that this one sends to are looked up, in milliseconds. */
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
    private readonly nodes: Pick<NodeStore, 'list'>,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.#timer = setInterval(() => {
      this.closePipes().catch((error: unknown) => this.log.debug({ err: error }, 'nodes not looked up'));
    }, everyMs);
  }

  /** Throws UNAVAILABLE. */
  async closePipes(): Promise<void> {
    if (this.media.pipeReceivers.size === 0) return;
    const lastSeen = new Map((await this.nodes.list()).map(({ id, lastSeenAt }) => [id, lastSeenAt]));
    const newest = Math.max(...lastSeen.values());
    // A node that stopped in order is removed from the store.
    this.media.closePipesTo((nodeId) => newest - (lastSeen.get(nodeId) ?? -Infinity) > deadAfterMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
