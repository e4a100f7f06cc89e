import { type PlannedMigration, peerKey, type PlannerSettings } from '@flotilla/autoscaler';
import type { SimMigration, SimNode, World } from './world.ts';

const maxViolations = 1000;
const forced = new Set<string>(['node_lost', 'drain']);

/** Checks the invariants of every plan and of the fleet, independently of the planner's own state. */
export class Rules {
  readonly violations: string[] = [];
  readonly hotSeconds: number[] = [];
  readonly drainSeconds: number[] = [];
  readonly lostSeconds: number[] = [];
  noisyMoved = 0;
  mostMoves = 0;
  /** By peer: time of its last planned migration, when it left which node, and number of migrations. */
  readonly #history = new Map<string, { at: number; left: Map<string, number>; moves: number }>();
  readonly #diedAt = new Map<SimNode, number>();

  constructor(
    private readonly world: World,
    private readonly settings: PlannerSettings,
  ) {}

  #violated(now: number, rule: string): void {
    if (this.violations.length < maxViolations) this.violations.push(`${now} s: ${rule}`);
  }

  planned(planned: readonly PlannedMigration[], now: number): void {
    if (planned.length > this.settings.perPlan) this.#violated(now, `${planned.length} in one plan`);
    const from = new Map<string, number>();
    const to = new Map<string, number>();
    const count = (map: Map<string, number>, id: string): void => void map.set(id, (map.get(id) ?? 0) + 1);
    const migrating = new Set(this.world.migrations.map(peerKey));
    for (const { fromNode, toNode } of this.world.migrations) {
      count(from, fromNode);
      count(to, toNode);
    }
    for (const migration of planned) {
      const { fromNode, toNode, reason } = migration;
      const lost = reason === 'node_lost';
      const { fromAtOnce, toAtOnce, toAtOnceWhenLost } = this.settings;
      if (!lost && (from.get(fromNode) ?? 0) >= fromAtOnce) this.#violated(now, `more at once from ${fromNode}`);
      if ((to.get(toNode) ?? 0) >= (lost ? toAtOnceWhenLost : toAtOnce))
        this.#violated(now, `more at once to ${toNode}`);
      count(from, fromNode);
      count(to, toNode);
      const key = peerKey(migration);
      if (migrating.has(key)) this.#violated(now, `${key} is planned to move during a migration`);
      migrating.add(key);
      this.#checkTarget(migration, now);
      this.#checkPeer(key, migration, now);
    }
  }

  #checkTarget({ fromNode, toNode, reason }: PlannedMigration, now: number): void {
    const { cpu, state, alive, reserved, capacity } = this.world.byId.get(toNode)!;
    const what = `${reason} from ${fromNode} to ${toNode}`;
    if (toNode === fromNode) this.#violated(now, `${what}: source and target are the same`);
    if (!alive || state !== 'active') this.#violated(now, `${what}, which is ${alive ? state : 'dead'}`);
    if (cpu >= this.settings.targetCpu) this.#violated(now, `${what}, which is at ${cpu}`);
    if (reserved >= capacity) this.#violated(now, `${what}, which is full`);
  }

  #checkPeer(key: string, { fromNode, toNode, reason }: PlannedMigration, now: number): void {
    const { coolDownMs, noReturnMs } = this.settings;
    const history = this.#history.get(key) ?? { at: -Infinity, left: new Map<string, number>(), moves: 0 };
    if (!forced.has(reason) && now - history.at < coolDownMs / 1000)
      this.#violated(now, `${key} moves again after ${now - history.at} s (${reason})`);
    if (now - (history.left.get(toNode) ?? -Infinity) < noReturnMs / 1000)
      this.#violated(now, `${key} returns to ${toNode} after ${now - history.left.get(toNode)!} s (${reason})`);
    this.#history.set(key, { at: now, left: new Map([...history.left, [fromNode, now]]), moves: history.moves });
  }

  /** The target has no capacity: the planner assigned more peers than it has capacity for. */
  refused({ toNode, reason }: PlannedMigration, now: number): void {
    this.#violated(now, `${toNode} has no capacity for a peer (${reason})`);
  }

  moved(migration: SimMigration, now: number): void {
    const { reason, peer, fromNode } = migration;
    const history = this.#history.get(peerKey(migration));
    if (history) this.mostMoves = Math.max(this.mostMoves, ++history.moves);
    const source = this.world.byId.get(fromNode)!;
    if (peer.noisy && reason === 'quality' && source.penalty === 0) this.noisyMoved++;
    if (reason === 'node_lost') this.lostSeconds.push(now - (this.#diedAt.get(source) ?? now));
  }

  check(now: number): void {
    for (const node of this.world.nodes) {
      if (node.reserved > node.capacity || node.reserved < 0)
        this.#violated(now, `${node.id} has ${node.reserved} of ${node.capacity} sessions reserved`);
      if (!node.alive) {
        if (!this.#diedAt.has(node)) this.#diedAt.set(node, now);
        continue;
      }
      this.#diedAt.delete(node);
      if (node.cpu > this.settings.hotCpu) node.hotSince ??= now;
      else if (node.hotSince !== undefined) {
        this.hotSeconds.push(now - node.hotSince);
        node.hotSince = undefined;
      }
      if (node.drainingSince !== undefined && node.peers.length === 0) {
        this.drainSeconds.push(now - node.drainingSince);
        node.drainingSince = undefined;
      }
    }
  }
}
