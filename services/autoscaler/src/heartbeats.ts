/** When each node was last heard, and since when any were heard without a break. Milliseconds of a monotonic clock. */
export interface Heard {
  readonly last: ReadonlyMap<string, number>;
  readonly flowingSince: number;
}

export interface Verdict {
  /** Nobody is heard: Redis, or this process, is the patient. Nothing is to be decided. */
  readonly frozen: boolean;
  readonly lost: readonly string[];
}

/** Nodes report every 500 ms. One that was silent for this long is lost, if others were heard meanwhile. */
export const lostAfterMs = 700;
/**
 * Others prove that reports arrive when one was heard this long after the silent node: when that had missed one at least. The
 * registry wants such a proof too (600 ms, by Redis's clock) before it takes a peer off a node.
 */
const provenAfterMs = 650;
/** With nobody heard for this long, nothing is decided. */
export const frozenAfterMs = 1000;
/** After such a silence nodes have this long to find their way back to Redis (they try every second). */
export const reunionMs = 3000;

/**
 * Tells dead nodes from a dead stream. Only arrivals count, by this process's own clock: clocks of nodes may differ, and
 * reports that waited somewhere arrive all at once.
 *
 * A node is lost when it was silent for `lostAfterMs` while others were heard. When all stop, the last ones heard must not
 * condemn those who were due first: a witness counts only when it was heard well after the silent node's next report was
 * due. A fleet's only node is never lost: there is no witness, and nowhere to go.
 */
export function judge({ last, flowingSince }: Heard, now: number): Verdict {
  let newest = -Infinity;
  for (const at of last.values()) newest = Math.max(newest, at);
  if (now - newest >= frozenAfterMs) return { frozen: true, lost: [] };
  const lost: string[] = [];
  for (const [id, at] of last) {
    // What was not heard before the stream flowed again can't be held against a node.
    const since = Math.max(at, flowingSince + reunionMs - lostAfterMs);
    if (now - since >= lostAfterMs && newest - since >= provenAfterMs) lost.push(id);
  }
  return { frozen: false, lost };
}

/** The heartbeats as they arrive. */
export class Heartbeats implements Heard {
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
  heard(nodeIds: Iterable<string>, now: number): void {
    if (now - this.#newest >= frozenAfterMs) this.#flowingSince = now;
    this.#newest = now;
    for (const id of nodeIds) this.last.set(id, now);
  }

  /** A node that is not expected to report any more. */
  forget(nodeId: string): void {
    this.last.delete(nodeId);
  }
}
