import type { NodeReport, NodeView, PeerQuality, PeerScore } from '@flotilla/contracts';

/** The SFU nodes: their heartbeats and their reserved capacity. */
export interface NodeStore {
  /**
   * A node's heartbeat. Appended to the stream `sfu:stats` with its peers, see NodeStats. `peerScores` are their scores in the
   * topology. Returns the ids of the nodes whose last heartbeat is older than `nodeTimeoutMs`.
   */
  report(report: NodeReport, peers?: readonly PeerQuality[], peerScores?: readonly PeerScore[]): Promise<string[]>;

  /** The last report of a node that has not been removed. */
  get(nodeId: string): Promise<NodeReport | undefined>;

  /** All nodes that have not been removed, dead ones included, with their reserved capacity. */
  list(): Promise<NodeView[]>;

  /** The ids of the nodes whose last heartbeat is not older than `nodeTimeoutMs`, in no order. */
  aliveIds(): Promise<string[]>;

  /**
   * Those of the nodes that are dead: removed, or with a last heartbeat `deadAfterMs` older than the newest of any node. None while
   * the store has no heartbeat of any node.
   */
  deadOf(nodeIds: readonly string[], deadAfterMs: number): Promise<string[]>;

  /** Removes a node that has stopped. Its reserved capacity is released by the members that hold it. */
  remove(nodeId: string): Promise<void>;
}

/** Number of heartbeats in the stream of all nodes. Each carries the peers of its node. */
export const keptReports = 1024;

/** A node without a heartbeat for this long gets no new members, ms. */
export const nodeTimeoutMs = 2000;

/** Load from which on a node is not preferred for a room, whether it hosts it or not. */
export const preferredLoadLimit = 0.8;
