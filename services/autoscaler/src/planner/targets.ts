import type { Examination, Examined } from './examination.ts';
import type { PlannerSettings } from './settings.ts';
import { type FleetState, peersThatHeat, type PlannerMemory } from './state.ts';

/** A node as migration target, including planned and running migrations. */
interface Candidate {
  readonly examined: Examined;
  /** Estimated CPU of a peer, as a share of one core. */
  readonly cpuPerPeer: number;
  /** Expected CPU after all migrations. */
  cpu: number;
  reserved: number;
  /** Number of migrations from it. */
  from: number;
  /** Number of migrations to it. */
  to: number;
}

/** The CPU per peer is estimated from that of the hottest worker. For few peers the estimate is poor, so this many of an assumed cost are added. */
const assumedPeers = 10;
const assumedCpu = 0.01;
/** Estimated reduction of the score on a full node. */
const loadPenalty = 0.2;

/** Requirements on a target. */
export interface TargetRequirements {
  /** Maximum number of concurrent migrations to it. */
  readonly maxConcurrent: number;
  /** Its expected score must be above this. */
  readonly minScore: number;
  /** Its expected CPU must be below this. */
  readonly maxCpu: number;
  /** True when the peer has media, so that it can wait for a preferred node at its maximum of concurrent migrations. */
  readonly canWait: boolean;
}

export interface TargetOptions {
  readonly settings: PlannerSettings;
  readonly now: number;
  /** Ids of nodes that are selected before all others. */
  readonly preferred: ReadonlySet<string>;
}

/** Selects targets while a plan is made. */
export class Targets {
  readonly #candidates = new Map<string, Candidate>();
  /** Candidates for all migrations, in the order of the state. */
  readonly #open: Candidate[];
  /** Those of `#open` that are preferred. */
  readonly #preferred: Candidate[];
  readonly #settings: PlannerSettings;
  readonly #candidateShare: number;
  /** Assigned sessions: all, and those of the version that the canary observes. */
  readonly #assigned = { all: 0, canary: 0 };

  constructor(
    { nodes }: Examination,
    state: FleetState,
    memory: PlannerMemory,
    { settings, now, preferred }: TargetOptions,
  ) {
    this.#settings = settings;
    this.#candidateShare = state.candidateShare ?? 0;
    for (const [id, examined] of nodes) {
      const { cpu, reserved } = examined.node;
      const cpuPerPeer = (cpu + assumedPeers * assumedCpu) / (peersThatHeat(examined.node).length + assumedPeers);
      this.#candidates.set(id, { examined, cpuPerPeer, cpu, reserved, from: 0, to: 0 });
      this.#assigned.all += reserved;
      if (examined.node.isCandidate) this.#assigned.canary += reserved;
    }
    for (const { fromNode, toNode } of state.moving) {
      this.#count(fromNode, toNode);
      const target = this.#candidates.get(toNode);
      if (target) this.#reserve(target);
    }
    for (const { from, to, at } of memory.recent) {
      if (now - at < settings.settleMs) this.#shift(from, to);
    }
    this.#open = [...this.#candidates.values()].filter(
      ({ examined: { node, atFault } }) => node.state === 'active' && node.cpu < settings.targetCpu && !atFault,
    );
    this.#preferred = this.#open.filter(({ examined: { node } }) => preferred.has(node.id));
  }

  #reserve(target: Candidate): void {
    target.reserved++;
    if (target.examined.node.isCandidate) this.#assigned.canary++;
  }

  /** Whether the node's version may get one more session: the stable one, or the observed one within its share. */
  #hasShare({ examined }: Candidate): boolean {
    const { all, canary } = this.#assigned;
    return !examined.node.isCandidate || canary + 1 <= all * this.#candidateShare;
  }

  #count(from: string, to: string): void {
    const [source, target] = [this.#candidates.get(from), this.#candidates.get(to)];
    if (source) source.from++;
    if (target) target.to++;
  }

  #shift(from: string, to: string): void {
    const [source, target] = [this.#candidates.get(from), this.#candidates.get(to)];
    const cpu = source?.cpuPerPeer ?? target?.cpuPerPeer ?? 0;
    if (source) source.cpu -= cpu;
    if (target) target.cpu += cpu;
  }

  /** Expected CPU of a node after all migrations. */
  cpuOf(nodeId: string): number {
    return this.#candidates.get(nodeId)?.cpu ?? 0;
  }

  /** Whether the node is below its bound of concurrent outgoing migrations. Not used for lost nodes. */
  maySend(nodeId: string): boolean {
    return (this.#candidates.get(nodeId)?.from ?? 0) < this.#settings.fromAtOnce;
  }

  /**
   * The node with the best expected score: the typical score of its peers, less a penalty for its load. Preferred nodes that meet
   * the requirements come first. Undefined when no node below `targetCpu` has capacity and meets the requirements, or when the
   * peer waits for a preferred node.
   */
  best(avoid: (nodeId: string) => boolean, requirements: TargetRequirements): string | undefined {
    const best = this.#bestOf(this.#preferred, avoid, requirements);
    if (best !== undefined || this.#mayWait(avoid, requirements)) return best;
    return this.#bestOf(this.#open, avoid, requirements);
  }

  #mayWait(avoid: (nodeId: string) => boolean, requirements: TargetRequirements): boolean {
    if (!requirements.canWait) return false;
    return this.#bestOf(this.#preferred, avoid, { ...requirements, maxConcurrent: Infinity }) !== undefined;
  }

  #bestOf(
    candidates: readonly Candidate[],
    avoid: (nodeId: string) => boolean,
    { maxConcurrent, minScore, maxCpu }: TargetRequirements,
  ): string | undefined {
    let best: string | undefined;
    let bestScore = minScore;
    for (const candidate of candidates) {
      const { examined, cpu, reserved, to, cpuPerPeer } = candidate;
      const { id, capacity } = examined.node;
      if (!this.#hasShare(candidate) || to >= maxConcurrent || reserved >= capacity || cpu + cpuPerPeer >= maxCpu)
        continue;
      const score = examined.typicalScore - loadPenalty * Math.max(cpu, reserved / capacity);
      if (score > bestScore && !avoid(id)) [best, bestScore] = [id, score];
    }
    return best;
  }

  /**
   * The node with the least CPU that has capacity, for a mandatory migration; one of the observed version beyond its share only if no
   * other has any. Undefined when a node that meets the requirements is only
   * at its bound of concurrent migrations.
   */
  leastLoaded(avoid: (nodeId: string) => boolean, requirements: TargetRequirements): string | undefined {
    if (this.best(avoid, { ...requirements, maxConcurrent: Infinity }) !== undefined) return undefined;
    let least: Candidate | undefined;
    for (const candidate of this.#candidates.values()) {
      const { node } = candidate.examined;
      if (node.state !== 'active' || !node.alive || avoid(node.id)) continue;
      if (candidate.to >= requirements.maxConcurrent || candidate.reserved >= node.capacity) continue;
      if (!least || this.#isBetter(candidate, least)) least = candidate;
    }
    return least?.examined.node.id;
  }

  #isBetter(one: Candidate, other: Candidate): boolean {
    const [oneHasShare, otherHasShare] = [this.#hasShare(one), this.#hasShare(other)];
    return oneHasShare === otherHasShare ? one.cpu < other.cpu : oneHasShare;
  }

  /** Counts a planned migration. */
  add(from: string, to: string): void {
    this.#count(from, to);
    this.#shift(from, to);
    const target = this.#candidates.get(to);
    if (target) this.#reserve(target);
  }
}
