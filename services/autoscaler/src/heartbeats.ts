/** Arrivals of heartbeats, in milliseconds of a monotonic clock. */
export interface Arrivals {
  /** The last arrival by node. */
  readonly last: ReadonlyMap<string, number>;
  /** Since when heartbeats arrive without an interruption of all nodes. */
  readonly flowingSince: number;
}

export interface FailureReport {
  /** No heartbeats arrive at all: Redis or this process is suspected, and no node is declared dead. */
  readonly frozen: boolean;
  readonly lost: readonly string[];
}

/** Nodes report every 500 ms. A node whose heartbeats stop for this long is lost if others' arrive meanwhile. */
export const lostAfterMs = 700;
/**
 * A heartbeat of another node proves that the stream works if it arrives this long after the last one of the node in question: that
 * node has missed at least one by then. The registry requires the same proof (600 ms, by Redis's clock) before it moves a peer.
 */
const provenAfterMs = 650;
/** Failure detection freezes when no heartbeat arrives for this long. */
export const frozenAfterMs = 1000;
/** Time for nodes to reconnect to Redis after a freeze, in milliseconds. They try every second. */
export const reconnectMs = 3000;

/**
 * Distinguishes dead nodes from an interrupted stream. Only arrivals by this process's own clock count, because nodes' clocks
 * may differ and delayed reports arrive all at once.
 *
 * When all heartbeats stop, the nodes whose reports were due first must not be declared dead because of the others' last
 * ones: a heartbeat is evidence only when it arrived well after the node's own next report was due. The only node of a
 * fleet is never declared dead: there is no evidence, and no node to move its peers to.
 */
export function detectLostNodes({ last, flowingSince }: Arrivals, now: number): FailureReport {
  let newest = -Infinity;
  for (const at of last.values()) newest = Math.max(newest, at);
  if (now - newest >= frozenAfterMs) return { frozen: true, lost: [] };
  const lost: string[] = [];
  for (const [id, at] of last) {
    // A missing heartbeat from before the stream worked again is no evidence against a node.
    const since = Math.max(at, flowingSince + reconnectMs - lostAfterMs);
    if (now - since >= lostAfterMs && newest - since >= provenAfterMs) lost.push(id);
  }
  return { frozen: false, lost };
}

/** Records the heartbeats as they arrive. */
export class Heartbeats implements Arrivals {
  readonly last = new Map<string, number>();
  #flowingSince: number;
  #newest: number;

  constructor(now: number) {
    this.#flowingSince = now;
    this.#newest = now;
  }

  get flowingSince(): number {
    return this.#flowingSince;
  }

  /** @param nodeIds the nodes of one batch of the stream, which arrived together. */
  record(nodeIds: Iterable<string>, now: number): void {
    if (now - this.#newest >= frozenAfterMs) this.#flowingSince = now;
    this.#newest = now;
    for (const id of nodeIds) this.last.set(id, now);
  }

  /** Removes a node from which no more reports are expected. */
  forget(nodeId: string): void {
    this.last.delete(nodeId);
  }
}
