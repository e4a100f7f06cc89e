import type { Migration, NodeReport, PeerQuality } from '@flotilla/contracts';

/** An SFU node as input of the planner, with the peers assigned to it. */
export interface PlannerNode {
  readonly id: string;
  /** Used share of the core of its hottest media worker, see `hottestCpu`. */
  readonly cpu: number;
  /** Process id of that worker, where it is known. */
  readonly hottestWorker?: number | undefined;
  readonly state: NodeReport['state'];
  /** Maximum number of sessions. */
  readonly capacity: number;
  /** Number of assigned sessions, reported or not yet. */
  readonly reserved: number;
  /** Start of the node, in milliseconds since the Unix epoch. */
  readonly startedAt: number;
  /** What it was rolled out with. */
  readonly revision?: string | undefined;
  /** It runs the version that the canary observes, and gets a share of the participants only. */
  readonly isCandidate?: boolean;
  /** Start of its drain, in milliseconds since the Unix epoch. Defined while it drains. */
  readonly drainStartedAt?: number | undefined;
  /** False after the node was declared dead, see heartbeats.ts. */
  readonly alive: boolean;
  readonly peers: readonly PlannerPeer[];
}

export type PlannerPeer = Pick<PeerQuality, 'roomId' | 'sessionId' | 'worker' | 'score' | 'rttMs' | 'baselineRttMs'>;

/** A requested or running migration. */
export type Moving = Pick<Migration, 'roomId' | 'sessionId' | 'fromNode' | 'toNode' | 'reason'>;

/** Input of a plan, in addition to the planner's memory. */
export interface FleetState {
  readonly nodes: readonly PlannerNode[];
  /**
   * Requested and running migrations. Their capacity on the target may be reserved already; counting it twice only makes the node
   * accept fewer for a moment.
   */
  readonly moving: readonly Moving[];
  /** Share of the sessions that the nodes of the observed version may have together. Default: none. */
  readonly candidateShare?: number;
}

/** A migration to request. */
export type PlannedMigration = Moving;

/** Migration history of a peer. */
export interface MovedPeer {
  /** Time of its last migration. */
  readonly at: number;
  /** Time of its last trial migration. */
  readonly triedAt: number;
  /** Previous nodes within `noReturnMs`, with the time of each migration. */
  readonly from: readonly { readonly node: string; readonly at: number }[];
  /** The target of its last migration. The migration has failed if the peer is still where it was. */
  readonly to: string;
}

/** A sequence of drains. */
export interface Rollout {
  /** Start of the first drain, in milliseconds since the Unix epoch. */
  readonly since: number;
  /** Time of the last plan with a draining node, by the planner's clock. */
  readonly seenAt: number;
}

/**
 * What the planner keeps from one plan to the next. It is immutable: each plan returns the next one. With an empty memory it is
 * unknown what a previous leader moved, so that before `quietUntil` only draining and lost nodes cause migrations.
 */
export interface PlannerMemory {
  /** When the last plan was made. */
  readonly at: number;
  readonly quietUntil: number;
  /** Nodes above `hotCpu`, or above `coolCpu` once they are rebalanced, and since when. */
  readonly hot: ReadonlyMap<string, { readonly since: number; readonly rebalances: boolean }>;
  /** Degraded peers and since when, by `peerKey`. */
  readonly degraded: ReadonlyMap<string, number>;
  /** Nodes at fault, with the time until which they are no target. */
  readonly faults: ReadonlyMap<string, number>;
  /** Time of the last trial migration, by node, within `coolDownMs`. */
  readonly trials: ReadonlyMap<string, number>;
  /** By `peerKey`, the most recently moved last. */
  readonly moved: ReadonlyMap<string, MovedPeer>;
  /** Migrations that may not show in the reported CPU yet. */
  readonly recent: readonly { readonly from: string; readonly to: string; readonly at: number }[];
  readonly rollout: Rollout | undefined;
}

export interface Plan {
  readonly migrations: readonly PlannedMigration[];
  /** Number of peers that should move but have no target, for lack of capacity or because of the bounds. */
  readonly waiting: number;
  readonly memory: PlannerMemory;
}

/** Identifies a peer: a session may be in several rooms, as a separate peer in each. */
export const peerKey = ({ roomId, sessionId }: Pick<PlannerPeer, 'roomId' | 'sessionId'>): string =>
  `${roomId} ${sessionId}`;

/** The memory at the start of a term. */
export function emptyMemory(quietUntil: number): PlannerMemory {
  return {
    at: -Infinity,
    quietUntil,
    hot: new Map(),
    degraded: new Map(),
    faults: new Map(),
    trials: new Map(),
    moved: new Map(),
    recent: [],
    rollout: undefined,
  };
}

/** The peers whose migration cools a node: those on its hottest worker, or all where it is not known. */
export function peersThatHeat({ peers, hottestWorker }: PlannerNode): readonly PlannerPeer[] {
  if (hottestWorker === undefined) return peers;
  return peers.filter(({ worker }) => worker === undefined || worker === hottestWorker);
}
