import { hottestCpu, type NodeView } from '@flotilla/contracts';
import { type Moving, peerKey, type PlannerNode, type PlannerPeer } from './planner/state.ts';

/** The part of a node's report that the planner reads. */
export interface PlannerReport {
  readonly id: string;
  readonly capacity: number;
  readonly address?: string | undefined;
  readonly load: { readonly cpu: number; readonly workers: readonly { readonly pid: number; readonly cpu: number }[] };
  readonly peers: readonly PlannerPeer[];
}

interface SeenNode {
  readonly report: PlannerReport;
  readonly peers: ReadonlyMap<string, PlannerPeer>;
}

/**
 * The fleet by its nodes' reports. Two nodes report a peer for a while after it moved: it is assigned to the newer one. Bounded
 * by what nodes report: `forget` removes a node with its peers.
 */
export class FleetView {
  readonly #nodes = new Map<string, SeenNode>();
  /** The nodes that report a peer, by `peerKey`, the newest last. */
  readonly #assignments = new Map<string, readonly string[]>();

  record(report: PlannerReport): void {
    const before = this.#nodes.get(report.id)?.peers;
    const peers = new Map(report.peers.map((peer) => [peerKey(peer), peer]));
    for (const key of peers.keys()) {
      if (!before?.has(key)) this.#assignments.set(key, [...(this.#assignments.get(key) ?? []), report.id]);
    }
    for (const key of before?.keys() ?? []) {
      if (!peers.has(key)) this.#left(key, report.id);
    }
    this.#nodes.set(report.id, { report, peers });
  }

  #left(key: string, nodeId: string): void {
    const rest = this.#assignments.get(key)?.filter((id) => id !== nodeId) ?? [];
    if (rest.length === 0) this.#assignments.delete(key);
    else this.#assignments.set(key, rest);
  }

  /** Removes a peer that left the room, or moved to a node that has not reported it yet. */
  forgetPeer(moving: Pick<Moving, 'roomId' | 'sessionId' | 'fromNode'>): void {
    const node = this.#nodes.get(moving.fromNode);
    const key = peerKey(moving);
    if (!node?.peers.has(key)) return;
    this.#nodes.set(moving.fromNode, { ...node, peers: new Map([...node.peers].filter(([each]) => each !== key)) });
    this.#left(key, moving.fromNode);
  }

  /** Host and port of a node's process, where it reported them. */
  addressOf(nodeId: string): string | undefined {
    return this.#nodes.get(nodeId)?.report.address;
  }

  /** Any peer that is assigned to the node; undefined without one. */
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
   * The nodes with the peers assigned to them. Capacity is the store's; a node that is not in the store has shut down and gets
   * no peers.
   *
   * @param leaving names of processes whose nodes are to be emptied like draining ones, though they do not stop by themselves.
   * @param running migrations that are not committed: their peers are still on a node that was lost, whatever the new one reports.
   */
  nodes(
    listed: readonly NodeView[],
    lost: ReadonlySet<string>,
    leaving: ReadonlySet<string>,
    running: readonly Moving[],
  ): PlannerNode[] {
    const known = new Map(listed.map((node) => [node.id, node]));
    const stranded = new Map(
      running.flatMap((moving) => (lost.has(moving.fromNode) ? [[peerKey(moving), moving.fromNode]] : [])),
    );
    return [...this.#nodes].map(([id, { report, peers }]) => {
      const node = known.get(id);
      return {
        id,
        ...hottest(report.load),
        state: leaving.has(node?.instance ?? '') ? 'draining' : (node?.state ?? 'cordoned'),
        capacity: report.capacity,
        reserved: node?.reserved ?? report.capacity,
        startedAt: node?.startedAt ?? 0,
        revision: node?.revision,
        drainStartedAt: node?.drain?.startedAt,
        alive: !lost.has(id),
        peers: [...peers].flatMap(([key, peer]) =>
          (stranded.get(key) ?? this.#assignments.get(key)?.at(-1)) === id ? [peer] : [],
        ),
      };
    });
  }
}

/** How hot the node is, and the worker that is. None is where the other threads of the process use more. */
function hottest(load: PlannerReport['load']): Pick<PlannerNode, 'cpu' | 'hottestWorker'> {
  const cpu = hottestCpu(load);
  return { cpu, hottestWorker: load.workers.find((worker) => worker.cpu === cpu)?.pid };
}
