import type { NodeView } from '@flotilla/contracts';
import { type Moving, peerKey, type PlannerNode, type PlannerPeer } from './planner/state.ts';

/** What a node reports of itself, as far as the planner reads it. */
export interface NodeSigns {
  readonly id: string;
  readonly capacity: number;
  readonly load: { readonly cpu: number };
  readonly peers: readonly PlannerPeer[];
}

interface SeenNode {
  readonly signs: NodeSigns;
  readonly peers: ReadonlyMap<string, PlannerPeer>;
}

/**
 * The fleet as its nodes tell of it. A peer that moved is reported by two nodes for a while: it counts for the one it came to
 * last. Bounded by what nodes report: those that are `forget`ten take their peers with them.
 */
export class FleetView {
  readonly #nodes = new Map<string, SeenNode>();
  /** The nodes that report a peer, by `peerKey`; the one it came to last comes last. */
  readonly #assignments = new Map<string, readonly string[]>();

  take(signs: NodeSigns): void {
    const before = this.#nodes.get(signs.id)?.peers;
    const peers = new Map(signs.peers.map((peer) => [peerKey(peer), peer]));
    for (const key of peers.keys()) {
      if (!before?.has(key)) this.#assignments.set(key, [...(this.#assignments.get(key) ?? []), signs.id]);
    }
    for (const key of before?.keys() ?? []) {
      if (!peers.has(key)) this.#left(key, signs.id);
    }
    this.#nodes.set(signs.id, { signs, peers });
  }

  #left(key: string, nodeId: string): void {
    const rest = this.#assignments.get(key)?.filter((id) => id !== nodeId) ?? [];
    if (rest.length === 0) this.#assignments.delete(key);
    else this.#assignments.set(key, rest);
  }

  /** The peer is not in the room any more, or on another node that has not reported it yet. */
  forgetPeer(moving: Pick<Moving, 'roomId' | 'sessionId' | 'fromNode'>): void {
    const node = this.#nodes.get(moving.fromNode);
    const key = peerKey(moving);
    if (!node?.peers.has(key)) return;
    this.#nodes.set(moving.fromNode, { ...node, peers: new Map([...node.peers].filter(([each]) => each !== key)) });
    this.#left(key, moving.fromNode);
  }

  /** One of those whose home it is, if there is any. */
  anyPeer(nodeId: string): PlannerPeer | undefined {
    for (const [key, peer] of this.#nodes.get(nodeId)?.peers ?? []) {
      if (this.#assignments.get(key)?.at(-1) === nodeId) return peer;
    }
    return undefined;
  }

  forget(nodeId: string): void {
    for (const key of this.#nodes.get(nodeId)?.peers.keys() ?? []) this.#left(key, nodeId);
    this.#nodes.delete(nodeId);
  }

  /**
   * The nodes with the peers that are theirs. Places are what the store says of them; a node that it does not know took
   * itself off and gets nobody.
   */
  nodes(listed: readonly NodeView[], lost: ReadonlySet<string>): PlannerNode[] {
    const known = new Map(listed.map((node) => [node.id, node]));
    return [...this.#nodes].map(([id, { signs, peers }]) => {
      const node = known.get(id);
      return {
        id,
        cpu: signs.load.cpu,
        state: node?.state ?? 'cordoned',
        capacity: signs.capacity,
        reserved: node?.reserved ?? signs.capacity,
        alive: !lost.has(id),
        peers: [...peers].flatMap(([key, peer]) => (this.#assignments.get(key)?.at(-1) === id ? [peer] : [])),
      };
    });
  }
}
