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

  /**
   * Corrects the index of the nodes, which earlier versions do not write, from this place on, and returns how many entries were wrong.
   * `next` is where to continue, undefined at the end.
   */
  repair(from?: number): Promise<{ repaired: number; next: number | undefined }>;

  /** Removes a node that has stopped. Its reserved capacity is released by the members that hold it. */
  remove(nodeId: string): Promise<void>;
}

/** Number of heartbeats in the stream of all nodes. Each carries the peers of its node. */
export const keptReports = 1024;

/** A node without a heartbeat for this long gets no new members, ms. */
export const nodeTimeoutMs = 2000;

/** Load from which on a node is not preferred for a room, whether it hosts it or not. */
export const preferredLoadLimit = 0.8;

/** Number of nodes to examine for a place before a join fails as in a full fleet. Those that are examined in vain are rare. */
export const maxExaminedNodes = 16;

/** Number of nodes that host a room to compare for the next member. Of more, as many at random. */
export const maxExaminedHosts = 64;

/** Load that the index of the nodes has of those to which nobody is assigned: inactive, full or dead. Above any load. */
export const unplaceableLoad = 1000;

/** Nodes whose entries in the index one run of a script corrects. */
export const nodesPerRepair = 500;
