import type { Migration, NodeReport, PeerQuality } from '@flotilla/contracts';

/** An SFU node as the planner sees it, with the peers homed on it. */
export interface PlannerNode {
  readonly id: string;
  /** Share of its cores in use. */
  readonly cpu: number;
  readonly state: NodeReport['state'];
  /** How many sessions it takes, and how many places are given away, seen in its figures or not yet. */
  readonly capacity: number;
  readonly reserved: number;
  /** When it started, in milliseconds since the Unix epoch. */
  readonly startedAt: number;
  /** When its drain began, by the same clock. Defined while it drains. */
  readonly drainStartedAt?: number | undefined;
  /** False once it is known to be lost, see heartbeats.ts. */
  readonly alive: boolean;
  readonly peers: readonly PlannerPeer[];
}

export type PlannerPeer = Pick<PeerQuality, 'roomId' | 'sessionId' | 'score' | 'rttMs' | 'baselineRttMs'>;

/** A migration asked for or under way. */
export type Moving = Pick<Migration, 'roomId' | 'sessionId' | 'fromNode' | 'toNode' | 'reason'>;

/** All that a plan is made from, apart from the planner's memory. */
export interface FleetState {
  readonly nodes: readonly PlannerNode[];
  /** Those in flight. Their places on the target may be reserved already: counted twice, a node takes fewer for a moment. */
  readonly moving: readonly Moving[];
}

/** A peer that shall move. */
export type PlannedMigration = Moving;

/** What became of a peer at the planner's hands. */
export interface MovedPeer {
  readonly at: number;
  /** When it was last tried on another node because its own path got worse. */
  readonly triedAt: number;
  /** Nodes it was moved from, each with the time, those within `noReturnMs`. */
  readonly from: readonly { readonly node: string; readonly at: number }[];
}

/** Drains that follow one another. */
export interface Rollout {
  /** When the first of them began, in milliseconds since the Unix epoch. */
  readonly since: number;
  /** When a node was last seen draining, by the planner's clock. */
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
  /** Nodes above `hotCpu` and since when; once they give peers away, until they are below `coolCpu`. */
  readonly hot: ReadonlyMap<string, { readonly since: number; readonly gives: boolean }>;
  /** Peers in degradation and since when, by `peerKey`. */
  readonly degraded: ReadonlyMap<string, number>;
  /** Nodes at fault, and until when they are kept in mind for it. */
  readonly faults: ReadonlyMap<string, number>;
  /** When somebody of a node was last tried elsewhere, those within `coolDownMs`. */
  readonly trials: ReadonlyMap<string, number>;
  /** By `peerKey`; who was moved last comes last. */
  readonly moved: ReadonlyMap<string, MovedPeer>;
  /** Moves that may not show in the CPU figures yet. */
  readonly recent: readonly { readonly from: string; readonly to: string; readonly at: number }[];
  readonly rollout: Rollout | undefined;
}

export interface Plan {
  readonly migrations: readonly PlannedMigration[];
  /** Peers that should move and find no node, for want of places or because too many move already. */
  readonly waiting: number;
  readonly memory: PlannerMemory;
}

/** A session may be in several rooms, in each as a peer of its own. */
export const peerKey = ({ roomId, sessionId }: Pick<PlannerPeer, 'roomId' | 'sessionId'>): string =>
  `${roomId} ${sessionId}`;

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
