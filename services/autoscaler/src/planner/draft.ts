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
import type { Targets, Wish } from './targets.ts';

/** A plan while it is made: keeps the bounds, the cool-down and the way back barred. */
export class Draft {
  readonly #migrations: PlannedMigration[] = [];
  readonly #moved = new Map<string, MovedPeer>();
  readonly #trials = new Map<string, number>();
  /** Those in flight, and those of this plan; of lost nodes among them. */
  readonly #moving: Set<string>;
  readonly #saved: Set<string>;
  #waiting = 0;

  constructor(
    { moving }: FleetState,
    private readonly memory: PlannerMemory,
    readonly settings: PlannerSettings,
    private readonly now: number,
    private readonly targets: Targets,
  ) {
    this.#moving = new Set(moving.map(peerKey));
    this.#saved = new Set(moving.filter(({ reason }) => reason === 'node_lost').map(peerKey));
  }

  /** Nothing more fits into this plan. */
  get full(): boolean {
    return this.#migrations.length >= this.settings.perPlan;
  }

  maySend(nodeId: string): boolean {
    return this.targets.maySend(nodeId);
  }

  /** Whether a node that gives peers away has still more than it wants, once all moves show. */
  tooWarm(nodeId: string): boolean {
    return this.targets.cpuOf(nodeId) > this.settings.coolCpu;
  }

  /**
   * A peer that can't stay: no cool-down, only a pause between two attempts. One that was leaving a node that is lost now has
   * no side to stay on until it is there: it is saved like the others.
   */
  forced(peer: PlannerPeer, from: string, reason: 'node_lost' | 'drain'): void {
    const key = peerKey(peer);
    if ((reason === 'node_lost' ? this.#saved : this.#moving).has(key)) return;
    const known = this.memory.moved.get(key);
    const last = known?.from.at(-1);
    const { retryDrainMs, retryLostMs } = this.settings;
    const pauseMs = reason === 'drain' ? retryDrainMs : retryLostMs;
    if (last?.node === from && this.now - last.at < pauseMs) return;
    this.#move(peer, key, from, reason, -Infinity, known);
  }

  /** A peer that would be better off elsewhere. */
  wanted(peer: PlannerPeer, key: string, from: string, reason: MigrationReason, leastScore: number): boolean {
    if (this.#moving.has(key)) return false;
    const known = this.memory.moved.get(key);
    if (known && this.now - known.at < this.settings.coolDownMs) return false;
    return this.#move(peer, key, from, reason, leastScore, known);
  }

  /** A peer whose own path got worse: one of a node at a time, and each once in a long while. */
  tried(peer: PlannerPeer, key: string, from: string, leastScore: number): void {
    const { coolDownMs, trialEveryMs } = this.settings;
    const lastOfNode = this.#trials.get(from) ?? this.memory.trials.get(from) ?? -Infinity;
    const lastOfPeer = this.memory.moved.get(key)?.triedAt ?? -Infinity;
    if (this.now - lastOfNode < coolDownMs || this.now - lastOfPeer < trialEveryMs) return;
    if (!this.wanted(peer, key, from, 'rtt', leastScore)) return;
    this.#trials.set(from, this.now);
    this.#moved.set(key, { ...this.#moved.get(key)!, triedAt: this.now });
  }

  #move(
    { roomId, sessionId }: PlannerPeer,
    key: string,
    fromNode: string,
    reason: MigrationReason,
    leastScore: number,
    known: MovedPeer | undefined,
  ): boolean {
    const { now, settings } = this;
    const from = known?.from.filter(({ at }) => now - at < settings.noReturnMs) ?? [];
    const wish: Wish =
      reason === 'node_lost'
        ? { atOnce: settings.toAtOnceWhenLost, leastScore, cpuThen: settings.hotCpu, canWait: false }
        : { atOnce: settings.toAtOnce, leastScore, cpuThen: settings.targetCpu, canWait: true };
    const mustGo = reason === 'node_lost' || reason === 'drain';
    const itself = (node: string): boolean => node === fromNode;
    const newToIt = (node: string): boolean => node === fromNode || from.some((left) => left.node === node);
    const toNode =
      this.targets.best(newToIt, wish) ??
      // Where it came from, rather than nowhere.
      (mustGo && from.length > 0 ? this.targets.best(itself, wish) : undefined) ??
      // To a warm node: its own ends with the drain, or is gone.
      (mustGo ? this.targets.leastWarm(itself, wish) : undefined);
    if (toNode === undefined) {
      this.#waiting++;
      return false;
    }
    this.targets.take(fromNode, toNode);
    this.#moving.add(key);
    this.#migrations.push({ roomId, sessionId, fromNode, toNode, reason });
    // A move that came to nothing may be planned many times: one entry a node is enough.
    const others = from.filter(({ node }) => node !== fromNode);
    this.#moved.set(key, {
      at: now,
      triedAt: known?.triedAt ?? -Infinity,
      from: [...others, { node: fromNode, at: now }],
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

  /** What is too old to matter goes; of the rest the newest stay. */
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
