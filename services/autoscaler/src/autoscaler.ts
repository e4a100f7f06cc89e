import type { Migration } from '@flotilla/contracts';
import { counter, gauge, histogram, latencyBuckets, type Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';
import type { FleetView, NodeSigns } from './fleet-view.ts';
import { type Heartbeats, judge } from './heartbeats.ts';
import type { Leadership } from './leadership.ts';
import type { MigrationDispatcher } from './migration-dispatcher.ts';
import { plan } from './planner/plan.ts';
import { plannerSettings } from './planner/settings.ts';
import { emptyMemory, type Moving, type PlannerMemory } from './planner/state.ts';
import type { LivenessProbe } from './liveness-probe.ts';

/** Silence is looked for this often, and plans are made when one is due, a node was lost, or one is being drained. */
export const lookEveryMs = 100;
const planEveryMs = 500;
/** A lost node whose peers nobody could save for this long is forgotten. */
const forgetLostMs = 60_000;
const migrationsRead = 2000;

const plans = counter({
  name: 'autoscaler_plans_total',
  help: 'Migrations planned, by reason.',
  labelNames: ['reason'],
});
const decisions = histogram({
  name: 'autoscaler_decision_seconds',
  help: 'From the look at the fleet to the plan handed over.',
  buckets: latencyBuckets,
});
const leaderGauge = gauge({ name: 'autoscaler_leader', help: '1 while this instance plans, else 0.' });
const waiting = gauge({ name: 'autoscaler_peers_waiting', help: 'Peers that should move and find no node.' });
const frozenGauge = gauge({ name: 'autoscaler_frozen', help: '1 while no node is heard and nothing is decided.' });
const lostGauge = gauge({ name: 'autoscaler_nodes_lost', help: 'Nodes held to be dead.' });

/** The journal of migrations under way, as far as the planner reads it. */
export interface MigrationsView {
  running(limit: number): Promise<Migration[]>;
}

export interface AutoscalerParts {
  readonly view: FleetView;
  readonly heartbeats: Heartbeats;
  readonly livenessProbe: LivenessProbe;
  readonly leadership: Pick<Leadership, 'leads' | 'term'>;
  readonly mover: MigrationDispatcher;
  readonly nodes: Pick<NodeStore, 'list'>;
  readonly migrations: MigrationsView;
  readonly log: Logger;
  /** A monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/** Watches the fleet and, while it leads, plans and has the plans carried out. */
export class Autoscaler {
  readonly #now: () => number;
  #memory: PlannerMemory = emptyMemory(0);
  #term: number | undefined;
  #plannedAt = -Infinity;
  /** Somebody waits to leave a draining node: as soon as another has, they may. */
  #draining = false;
  /** Lost nodes, and when that was noticed. */
  readonly #lost = new Map<string, number>();
  #frozen = false;
  #heardBefore = false;
  #looking: Promise<void> | undefined;

  constructor(private readonly parts: AutoscalerParts) {
    this.#now = parts.now ?? (() => performance.now());
  }

  /** What nodes report, one batch of the stream. */
  heard(reports: readonly NodeSigns[]): void {
    this.parts.heartbeats.heard(
      reports.map(({ id }) => id),
      this.#now(),
    );
    for (const report of reports) this.parts.view.take(report);
  }

  /** Looks once; not while the last look is still under way. Never throws. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.parts.log.debug({ err: error }, 'plan put off'))
      .finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** Resolves when no look is under way. */
  async quiet(): Promise<void> {
    await this.#looking;
  }

  async #look(): Promise<void> {
    const now = this.#now();
    const newlyLost = this.#judge(now);
    const { leads } = this.parts.leadership;
    leaderGauge.set(leads ? 1 : 0);
    if (this.#frozen || !leads) return;
    this.#beginTerm(now);
    if (newlyLost || this.#draining || now - this.#plannedAt >= planEveryMs) await this.#plan();
  }

  /** True when a node was found dead just now. */
  #judge(now: number): boolean {
    const { heartbeats, livenessProbe, view, log } = this.parts;
    const { frozen, lost: silent } = judge(heartbeats, now);
    if (frozen !== this.#frozen) {
      this.#frozen = frozen;
      frozenGauge.set(frozen ? 1 : 0);
      // At the start nobody was heard yet, which is no news.
      if (heartbeats.last.size > 0 && this.#heardBefore)
        log.warn(frozen ? 'no node is heard: nothing is decided until one is' : 'nodes are heard again');
    }
    if (frozen) return false;
    this.#heardBefore = true;
    const silentFor = new Map<string, number>();
    for (const id of silent) {
      if (view.anyPeer(id)) silentFor.set(id, now - heartbeats.last.get(id)!);
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
      log.warn({ node: id, silentMs: Math.round(silentFor.get(id)!) }, 'a node is lost');
    }
    lostGauge.set(this.#lost.size);
    return found;
  }

  /** Nothing is left to be done about it: it stopped in order, or its peers are elsewhere. */
  #forget(nodeId: string): void {
    this.parts.log.info({ node: nodeId }, 'a node is gone');
    this.#lost.delete(nodeId);
    this.parts.heartbeats.forget(nodeId);
    this.parts.view.forget(nodeId);
  }

  /** A new leader does not know whom its predecessor moved: it lets a cool-down pass. */
  #beginTerm(now: number): void {
    const { term } = this.parts.leadership;
    if (term === this.#term) return;
    this.#term = term;
    this.#memory = emptyMemory(now + plannerSettings.coolDownMs);
    this.#plannedAt = -Infinity;
  }

  async #plan(): Promise<void> {
    const { nodes, migrations, view, mover, leadership, log } = this.parts;
    const began = this.#now();
    const [listed, running] = await Promise.all([nodes.list(), migrations.running(migrationsRead)]);
    if (!leadership.leads || leadership.term !== this.#term) return;
    const now = this.#now();
    this.#plannedAt = now;
    const moving: Moving[] = [...running, ...mover.moving];
    const state = { nodes: view.nodes(listed, new Set(this.#lost.keys())), moving };
    const planned = plan(state, this.#memory, now);
    this.#memory = planned.memory;
    this.#draining = state.nodes.some(({ state: is, alive, peers }) => is === 'draining' && alive && peers.length > 0);
    mover.take(planned.migrations);
    decisions.observe((this.#now() - began) / 1000);
    waiting.set(planned.waiting);
    for (const { reason } of planned.migrations) plans.inc({ reason });
    if (planned.migrations.length > 0)
      log.info({ migrations: planned.migrations.length, reasons: countReasons(planned.migrations) }, 'planned');
  }
}

function countReasons(migrations: readonly { reason: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of migrations) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}
