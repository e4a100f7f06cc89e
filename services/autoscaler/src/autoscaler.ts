import type { Migration } from '@flotilla/contracts';
import { counter, gauge, histogram, latencyBuckets, type Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';
import type { Canary } from './canary/canary.ts';
import { plannedNodes } from './canary/planned-nodes.ts';
import type { SampledReport } from './canary/samples.ts';
import type { FleetView, PlannerReport } from './fleet-view.ts';
import { detectLostNodes, type Heartbeats } from './heartbeats.ts';
import type { Leadership } from './leadership.ts';
import type { MigrationDispatcher } from './migration-dispatcher.ts';
import { plan } from './planner/plan.ts';
import { plannerSettings } from './planner/settings.ts';
import { emptyMemory, type Moving, type PlannerMemory } from './planner/state.ts';
import type { LivenessProbe } from './liveness-probe.ts';

/** Interval of the checks for nodes whose heartbeats stopped. A check also plans when a plan is due, a node was lost, or a node drains. */
export const checkEveryMs = 100;
const planEveryMs = 500;
/** A lost node is removed after this time even if its peers could not be moved. */
const forgetLostMs = 60_000;
const migrationsRead = 2000;

const plans = counter({
  name: 'autoscaler_plans_total',
  help: 'Migrations planned, by reason.',
  labelNames: ['reason'],
});
const decisions = histogram({
  name: 'autoscaler_decision_seconds',
  help: 'Time from reading the state of the fleet to dispatching the plan.',
  buckets: latencyBuckets,
});
const leaderGauge = gauge({ name: 'autoscaler_leader', help: '1 while this instance plans, else 0.' });
const waiting = gauge({
  name: 'autoscaler_peers_waiting',
  help: 'Peers that should move and for which no node has capacity. 0 while this instance does not plan.',
});
const frozenGauge = gauge({
  name: 'autoscaler_frozen',
  help: '1 while no heartbeats arrive and failure detection is frozen.',
});
const lostGauge = gauge({ name: 'autoscaler_nodes_lost', help: 'Nodes that were declared dead.' });

/** The part of the migration journal that the planner reads. */
export interface MigrationsView {
  running(limit: number): Promise<Migration[]>;
}

export interface AutoscalerParts {
  readonly view: FleetView;
  readonly heartbeats: Heartbeats;
  readonly livenessProbe: LivenessProbe;
  readonly leadership: Pick<Leadership, 'leads' | 'term'>;
  readonly dispatcher: MigrationDispatcher;
  readonly nodes: Pick<NodeStore, 'list'>;
  readonly migrations: MigrationsView;
  /** Names of the processes whose nodes are to be emptied, see `FleetView.nodes`. */
  readonly leaving: () => ReadonlySet<string>;
  /** Absent: versions of nodes do not count. */
  readonly canary?: Canary | undefined;
  /** Removes the canary that a leader with one has left. Called once per term while there is none. */
  readonly removeCanary?: (term: number) => Promise<void>;
  readonly log: Logger;
  /** A monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/** Watches the fleet. While this instance is the leader, it plans migrations and dispatches them. */
export class Autoscaler {
  readonly #now: () => number;
  #memory: PlannerMemory = emptyMemory(0);
  #term: number | undefined;
  #plannedAt = -Infinity;
  /** A draining node has peers left. The next of them may move as soon as another has. */
  #draining = false;
  /** Migrations that are not committed, as the last plan read them. */
  #running: readonly Migration[] = [];
  /** When each lost node was declared dead. */
  readonly #lost = new Map<string, number>();
  #frozen = false;
  #hasReceived = false;
  #checking: Promise<void> | undefined;
  #hasFailed = false;

  constructor(private readonly parts: AutoscalerParts) {
    this.#now = parts.now ?? (() => performance.now());
  }

  /** Records one batch of node reports from the stream. */
  receive(reports: readonly (PlannerReport & SampledReport)[]): void {
    this.parts.heartbeats.record(
      reports.map(({ id }) => id),
      this.#now(),
    );
    for (const report of reports) this.parts.view.record(report);
    this.parts.canary?.receive(reports, this.#now());
  }

  /** Whether failure detection is frozen, because no heartbeats arrive at all. */
  get isFrozen(): boolean {
    return this.#frozen;
  }

  /** Checks once, unless a check is running. Never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#check()
      .then(() => void (this.#hasFailed = false))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  /** Warns once, not with every check until one succeeds again. */
  #failed(error: unknown): void {
    const { log } = this.parts;
    if (this.#hasFailed) log.debug({ err: error }, 'planning failed again');
    else log.warn({ err: error }, 'planning failed, it is repeated until it succeeds');
    this.#hasFailed = true;
  }

  /** Resolves when no check is running. */
  async settled(): Promise<void> {
    await this.#checking;
  }

  async #check(): Promise<void> {
    const now = this.#now();
    const newlyLost = this.#detect(now);
    const { leads } = this.parts.leadership;
    leaderGauge.set(leads ? 1 : 0);
    if (!leads) {
      this.#running = [];
      // As last planned: only the leader has the present number.
      waiting.set(0);
      this.parts.canary?.retire();
    }
    if (this.#frozen || !leads) return;
    await this.#beginTerm(now);
    if (newlyLost || this.#draining || now - this.#plannedAt >= planEveryMs) await this.#plan();
  }

  /** Returns whether a node was declared dead by this check. */
  #detect(now: number): boolean {
    const { heartbeats, livenessProbe, view, log } = this.parts;
    const { frozen, lost: stopped } = detectLostNodes(heartbeats, now);
    if (frozen !== this.#frozen) {
      this.#frozen = frozen;
      frozenGauge.set(frozen ? 1 : 0);
      // No warning at the start, before the first heartbeat.
      if (heartbeats.last.size > 0 && this.#hasReceived)
        log.warn(frozen ? 'no heartbeats arrive, failure detection is frozen' : 'heartbeats arrive again');
    }
    if (frozen) return false;
    this.#hasReceived = true;
    const silentFor = new Map<string, number>();
    for (const id of stopped) {
      if (view.anyPeer(id) || this.#running.some(({ fromNode }) => fromNode === id))
        silentFor.set(id, now - heartbeats.last.get(id)!);
      else this.#forget(id);
    }
    const lost = livenessProbe.confirm(silentFor, now);
    const isLost = new Set(lost);
    for (const id of this.#lost.keys()) if (!isLost.has(id)) this.#lost.delete(id);
    let found = false;
    for (const id of lost) {
      const lostAt = this.#lost.get(id) ?? now;
      if (now - lostAt >= forgetLostMs) {
        this.#forget(id);
        continue;
      }
      if (this.#lost.has(id)) continue;
      found = true;
      this.#lost.set(id, now);
      log.warn({ nodeId: id, silentMs: Math.round(silentFor.get(id)!) }, 'node declared dead');
    }
    lostGauge.set(this.#lost.size);
    return found;
  }

  /** Removes a node that has stopped and has no peers left. */
  #forget(nodeId: string): void {
    this.parts.log.info({ nodeId }, 'node removed');
    this.#lost.delete(nodeId);
    this.parts.heartbeats.forget(nodeId);
    this.parts.view.forget(nodeId);
  }

  /** The migrations of the previous leader are unknown, so a new term starts with one cool-down. */
  async #beginTerm(now: number): Promise<void> {
    const { canary, leadership, removeCanary } = this.parts;
    const { term } = leadership;
    if (term === this.#term) return;
    if (!canary && term !== undefined) await removeCanary?.(term);
    this.#term = term;
    this.#running = [];
    this.#memory = emptyMemory(now + plannerSettings.coolDownMs);
    this.#plannedAt = -Infinity;
  }

  async #plan(): Promise<void> {
    const { nodes, migrations, view, dispatcher, leadership, leaving, canary, log } = this.parts;
    const began = this.#now();
    const [listed, running, reading] = await Promise.all([
      nodes.list(),
      migrations.running(migrationsRead),
      canary?.read(began),
    ]);
    const term = this.#term;
    if (!leadership.leads || term === undefined || leadership.term !== term) return;
    const now = this.#now();
    this.#plannedAt = now;
    this.#running = running;
    const moving: Moving[] = [...running, ...dispatcher.moving];
    const lost = new Set(this.#lost.keys());
    const canaryStep = reading && canary?.step(reading, { nodes: listed, lost, term, now });
    const state = {
      nodes: plannedNodes(view.nodes(listed, lost, leaving(), running), canaryStep?.rules),
      moving,
      candidateShare: canaryStep?.rules?.share ?? 0,
    };
    const planned = plan(state, this.#memory, now);
    this.#memory = planned.memory;
    this.#draining = state.nodes.some(({ state: is, alive, peers }) => is === 'draining' && alive && peers.length > 0);
    dispatcher.dispatch(planned.migrations, term);
    decisions.observe((this.#now() - began) / 1000);
    waiting.set(planned.waiting);
    for (const { reason } of planned.migrations) plans.inc({ reason });
    if (planned.migrations.length > 0)
      log.info(
        { migrations: planned.migrations.length, reasons: countReasons(planned.migrations) },
        'migrations planned',
      );
    if (canaryStep) await canary?.write(canaryStep);
  }
}

function countReasons(migrations: readonly { reason: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of migrations) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}
