import type { MigrationReason } from '@flotilla/contracts';
import type { PlannerSettings } from './settings.ts';
import {
  type FleetState,
  type MovedPeer,
  type Plan,
  type PlannedMigration,
  peerKey,
  type PlannerMemory,
  type PlannerPeer,
} from './state.ts';
import type { Targets, TargetRequirements } from './targets.ts';

/** A plan under construction. Enforces the bounds, the cool-down and the time before a return to a previous node. */
export class Draft {
  readonly #migrations: PlannedMigration[] = [];
  readonly #moved = new Map<string, MovedPeer>();
  readonly #trials = new Map<string, number>();
  /** Keys of the peers that are migrating or planned to migrate. */
  readonly #moving: Set<string>;
  /** The subset of `#moving` that was assigned to lost nodes. */
  readonly #evacuating: Set<string>;
  #waiting = 0;

  constructor(
    { moving }: FleetState,
    private readonly memory: PlannerMemory,
    readonly settings: PlannerSettings,
    private readonly now: number,
    private readonly targets: Targets,
  ) {
    this.#moving = new Set(moving.map(peerKey));
    this.#evacuating = new Set(moving.filter(({ reason }) => reason === 'node_lost').map(peerKey));
  }

  /** Whether the plan has reached `perPlan`. */
  get full(): boolean {
    return this.#migrations.length >= this.settings.perPlan;
  }

  maySend(nodeId: string): boolean {
    return this.targets.maySend(nodeId);
  }

  /** Whether the expected CPU of a node, after all planned migrations, is above `coolCpu`. */
  isAboveCool(nodeId: string): boolean {
    return this.targets.cpuOf(nodeId) > this.settings.coolCpu;
  }

  /**
   * Plans a mandatory migration: without cool-down, only with a pause between two attempts. A peer that is already migrating off a
   * node that was lost meanwhile is planned again, because it has no media until it is on another node.
   */
  addMandatory(peer: PlannerPeer, from: string, reason: 'node_lost' | 'drain'): void {
    const key = peerKey(peer);
    if ((reason === 'node_lost' ? this.#evacuating : this.#moving).has(key)) return;
    const known = this.memory.moved.get(key);
    const last = known?.from.at(-1);
    const { retryDrainMs, retryLostMs } = this.settings;
    const pauseMs = reason === 'drain' ? retryDrainMs : retryLostMs;
    if (last?.node === from && this.now - last.at < pauseMs) return;
    this.#move(peer, key, from, reason, -Infinity, known);
  }

  /** Plans an optional migration to a node with a better expected score. Returns whether it was planned. */
  addOptional(peer: PlannerPeer, key: string, from: string, reason: MigrationReason, minScore: number): boolean {
    if (this.#moving.has(key)) return false;
    const known = this.memory.moved.get(key);
    if (known && this.now - known.at < this.settings.coolDownMs) return false;
    return this.#move(peer, key, from, reason, minScore, known);
  }

  /** Plans a trial migration of a peer whose own path has degraded: rate-limited per node and per peer. */
  addTrial(peer: PlannerPeer, key: string, from: string, minScore: number): void {
    const { coolDownMs, trialEveryMs } = this.settings;
    const lastOfNode = this.#trials.get(from) ?? this.memory.trials.get(from) ?? -Infinity;
    const lastOfPeer = this.memory.moved.get(key)?.triedAt ?? -Infinity;
    if (this.now - lastOfNode < coolDownMs || this.now - lastOfPeer < trialEveryMs) return;
    if (!this.addOptional(peer, key, from, 'rtt', minScore)) return;
    this.#trials.set(from, this.now);
    this.#moved.set(key, { ...this.#moved.get(key)!, triedAt: this.now });
  }

  #move(
    { roomId, sessionId }: PlannerPeer,
    key: string,
    fromNode: string,
    reason: MigrationReason,
    minScore: number,
    known: MovedPeer | undefined,
  ): boolean {
    const { now, settings } = this;
    const from = known?.from.filter(({ at }) => now - at < settings.noReturnMs) ?? [];
    const requirements: TargetRequirements =
      reason === 'node_lost'
        ? { maxConcurrent: settings.toAtOnceWhenLost, minScore, maxCpu: settings.hotCpu, canWait: false }
        : { maxConcurrent: settings.toAtOnce, minScore, maxCpu: settings.targetCpu, canWait: true };
    const mandatory = reason === 'node_lost' || reason === 'drain';
    // The peer is where its last migration began: it failed, maybe because of its target.
    const failed = known?.from.at(-1)?.node === fromNode ? known.to : undefined;
    const isSource = (node: string): boolean => node === fromNode;
    const isFailed = (node: string): boolean => node === fromNode || node === failed;
    const isPrevious = (node: string): boolean => isFailed(node) || from.some((previous) => previous.node === node);
    const toNode =
      this.targets.best(isPrevious, requirements) ??
      // A previous node is better than none, and both are better than the one to which it could not be moved.
      (mandatory && from.length > 0 ? this.targets.best(isFailed, requirements) : undefined) ??
      (mandatory && from.length > 0 ? this.targets.best(isSource, requirements) : undefined) ??
      // A node above `targetCpu` is better than a draining or lost one.
      (mandatory ? this.targets.leastLoaded(isSource, requirements) : undefined);
    if (toNode === undefined) {
      this.#waiting++;
      return false;
    }
    this.targets.add(fromNode, toNode);
    this.#moving.add(key);
    this.#migrations.push({ roomId, sessionId, fromNode, toNode, reason });
    // A failed migration may be planned repeatedly: one entry per node.
    const others = from.filter(({ node }) => node !== fromNode);
    this.#moved.set(key, {
      at: now,
      triedAt: known?.triedAt ?? -Infinity,
      from: [...others, { node: fromNode, at: now }],
      to: toNode,
    });
    return true;
  }

  finish(observed: Pick<PlannerMemory, 'hot' | 'degraded' | 'faults' | 'rollout'>): Plan {
    const { memory, now, settings } = this;
    const recent = memory.recent.filter(({ at }) => now - at < settings.settleMs);
    for (const { fromNode, toNode } of this.#migrations) recent.push({ from: fromNode, to: toNode, at: now });
    const trials = [...memory.trials].filter(([, at]) => now - at < settings.coolDownMs);
    return {
      migrations: this.#migrations,
      waiting: this.#waiting,
      memory: {
        ...observed,
        at: now,
        quietUntil: memory.quietUntil,
        trials: new Map([...trials, ...this.#trials]),
        moved: this.#moved.size === 0 ? memory.moved : this.#rememberMoved(),
        recent,
      },
    };
  }

  /** Drops entries that are too old to matter, and keeps the newest `remembered`. */
  #rememberMoved(): ReadonlyMap<string, MovedPeer> {
    const { memory, now, settings } = this;
    const longest = Math.max(settings.coolDownMs, settings.noReturnMs);
    const kept = [...memory.moved].filter(
      ([key, { at, triedAt }]) =>
        !this.#moved.has(key) && (now - at < longest || now - triedAt < settings.trialEveryMs),
    );
    return new Map([...kept, ...this.#moved].slice(-settings.remembered));
  }
}
