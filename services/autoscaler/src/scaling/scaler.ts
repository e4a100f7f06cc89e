import { gauge, type Logger } from '@flotilla/runtime';
import type { CanaryStore, NodeStore } from '@flotilla/store';
import {
  decide,
  emptyScalingMemory,
  type ScalingDecision,
  type ScalingMemory,
  type ScalingTarget,
} from './decision.ts';
import { type Demand, demandOf } from './demand.ts';
import type { ScalingRecords } from './records.ts';
import { type ScaledNode, scaledNodes } from './scaled-node.ts';
import type { ScalingSettings } from './settings.ts';

export const decideEveryMs = 500;
/** Interval of decisions of an instance that does not lead: they are only exported, and the memory that it leads with later. */
const followEveryMs = 5000;

const wantedGauge = gauge({
  name: 'autoscaler_nodes_wanted',
  help: 'SFU nodes that the fleet needs. Every instance decides alike: use the maximum over all of them.',
});
const sessionsGauge = gauge({ name: 'autoscaler_sessions', help: 'Sessions that are assigned to SFU nodes.' });
const growthGauge = gauge({
  name: 'autoscaler_sessions_growth',
  help: 'New sessions per second over the last 10 s, less those that ended.',
});

/** Where decisions are carried out. */
export interface ScaleTarget {
  /** The present number of nodes; undefined when unknown. */
  readonly replicas: number | undefined;
  apply(decision: ScalingDecision, nodes: readonly ScaledNode[]): Promise<void>;
  /** Raises the number of nodes to a minimum; removes and empties none. */
  raise(minimum: number): Promise<void>;
}

export interface ScalerParts {
  readonly nodes: Pick<NodeStore, 'list'>;
  /** Absent: versions of nodes do not count. */
  readonly canary?: Pick<CanaryStore, 'read'> | undefined;
  readonly settings: ScalingSettings;
  readonly records: Pick<ScalingRecords, 'decided' | 'retire'>;
  /** Without one, the number is only exported. */
  readonly target: ScaleTarget | undefined;
  /** Whether this instance carries decisions out, or would do so with a target. */
  readonly leads: () => boolean;
  /** Whether heartbeats do not arrive: then the number is only kept at the minimum, because Redis is suspected. */
  readonly isFrozen: () => boolean;
  readonly log: Logger;
  readonly now?: () => number;
}

/** The last decision, as `GET /scaling` answers it. */
export interface ScalingStatus extends ScalingTarget {
  readonly sessions: number;
  readonly cpu: number;
  readonly replicas: number | undefined;
}

/** Decides how many SFU nodes the fleet needs. Every instance does, so that a new leader has the memory; those that follow, less often. */
export class Scaler {
  readonly #now: () => number;
  #memory: ScalingMemory = emptyScalingMemory;
  #status: ScalingStatus | undefined;
  #deciding: Promise<unknown> | undefined;
  #decidedAt = -Infinity;
  #hasFailed = false;

  constructor(private readonly parts: ScalerParts) {
    this.#now = parts.now ?? (() => performance.now());
  }

  /** Undefined before the first decision. */
  get status(): ScalingStatus | undefined {
    return this.#status;
  }

  /** Decides once, unless it is deciding, or follows and no decision is due. Never rejects: what failed is done by the next one. */
  async decide(): Promise<void> {
    const now = this.#now();
    if (!this.parts.leads() && now - this.#decidedAt < followEveryMs) return;
    this.#decidedAt = now;
    this.#deciding ??= this.#decide()
      .then(() => (this.#hasFailed = false))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => (this.#deciding = undefined));
    await this.#deciding;
  }

  /** Warns once, not with every decision until it succeeds again. */
  #failed(error: unknown): void {
    const { log } = this.parts;
    if (this.#hasFailed) log.debug({ err: error }, 'scaling failed again');
    else log.warn({ err: error }, 'scaling failed, it is repeated until it succeeds');
    this.#hasFailed = true;
  }

  /** Resolves when it is not deciding. */
  async settled(): Promise<void> {
    await this.#deciding;
  }

  async #decide(): Promise<void> {
    const { settings, target, isFrozen } = this.parts;
    // Without heartbeats Redis may not answer either.
    const nodes = isFrozen() ? undefined : await this.#nodes();
    if (!nodes || isFrozen()) {
      // Sessions that resume afterwards are not new ones.
      this.#memory = { ...this.#memory, samples: [] };
      await target?.raise(settings.min);
      return;
    }
    const demand = demandOf(nodes);
    const decision = decide(demand, target?.replicas, this.#memory, settings, this.#now());
    this.#memory = decision.memory;
    this.#publish(demand, decision);
    const replicas = target?.replicas;
    await target?.apply(decision, nodes);
    await this.#record(demand, decision, replicas);
  }

  async #nodes(): Promise<ScaledNode[]> {
    const { nodes, canary } = this.parts;
    const [listed, stored] = await Promise.all([nodes.list(), canary?.read()]);
    return scaledNodes(listed, stored?.canary);
  }

  /** The decisions of the instance that leads are those that are carried out. */
  async #record(demand: Demand, decision: ScalingDecision, replicas: number | undefined): Promise<void> {
    const { records, leads } = this.parts;
    if (leads()) await records.decided(demand, decision, replicas);
    else records.retire();
  }

  #publish({ sessions, cpu }: Demand, { nodes, cause, growth, expectedSessions }: ScalingDecision): void {
    wantedGauge.set(nodes);
    sessionsGauge.set(sessions);
    growthGauge.set(growth);
    this.#status = { nodes, cause, growth, expectedSessions, sessions, cpu, replicas: this.parts.target?.replicas };
  }
}
