import {
  emptyMemory,
  peerKey,
  plan,
  type PlannedMigration,
  type PlannerSettings,
  plannerSettings,
} from '@flotilla/autoscaler';
import { Random } from '@flotilla/loadtest-kit';
import { Rules } from './rules.ts';
import { Scenario, type ScenarioOptions } from './scenario.ts';
import { type SimNode, type SimPeer, World } from './world.ts';

export interface SimulationOptions extends ScenarioOptions {
  /** Interval between two plans. */
  readonly tickSeconds: number;
  readonly capacity: number;
  /** Whether the planner runs. Without it only clients of dead nodes rejoin, on other nodes. */
  readonly plans: boolean;
}

export const wholeDay: SimulationOptions = {
  nodes: 200,
  peers: 20_000,
  capacity: 160,
  hours: 24,
  from: 4,
  tickSeconds: 5,
  seed: 1,
  plans: true,
};

/** State of the fleet at a point of the plots. */
export interface Point {
  readonly hour: number;
  readonly peers: number;
  readonly cpuMean: number;
  readonly cpuMax: number;
  readonly hot: number;
  readonly draining: number;
  readonly dead: number;
  readonly poor: number;
  readonly moves: Readonly<Record<string, number>>;
}

export interface SimulationResult {
  readonly options: SimulationOptions;
  readonly tookSeconds: number;
  readonly planMs: { readonly mean: number; readonly max: number };
  readonly points: Point[];
  readonly violations: string[];
  readonly moves: Readonly<Record<string, number>>;
  readonly rolledBack: number;
  readonly peerHours: number;
  readonly movesPerPeerHour: number;
  /** Durations of periods above 90 % CPU. */
  readonly hotSeconds: number[];
  /** Durations of drains until the node was empty. */
  readonly drainSeconds: number[];
  /** Time without media after the death of a node, per peer. */
  readonly lostSeconds: number[];
  /** Number of peers that were moved for quality although only their access network is bad. */
  readonly noisyMoved: number;
  readonly mostMovesOfAPeer: number;
  readonly refusedJoins: number;
  readonly counts: Readonly<Record<string, number>>;
}

const failShare = 0.02;
const pointSeconds = 300;

/**
 * Simulates a fleet with the planner.
 *
 * @param settings settings of the planner. The rules always check `plannerSettings`.
 */
export function simulate(options: SimulationOptions, settings: PlannerSettings = plannerSettings): SimulationResult {
  const random = new Random(options.seed);
  const world = new World(options.nodes, options.capacity, random);
  const scenario = new Scenario(world, options, random);
  const rules = new Rules(world, plannerSettings);
  scenario.begin();
  let memory = emptyMemory(0);
  const moves: Record<string, number> = {};
  let sincePoint: Record<string, number> = {};
  const points: Point[] = [];
  let peerSeconds = 0;
  let planSum = 0;
  let planMax = 0;
  let [asked, done] = [0, 0];
  const began = performance.now();
  const { tickSeconds } = options;
  const ticks = Math.round((options.hours * 3600) / tickSeconds);

  for (let tick = 1; tick <= ticks; tick++) {
    const now = tick * tickSeconds;
    scenario.step(now, tickSeconds);
    for (const migration of world.finish(now, failShare)) {
      done++;
      rules.moved(migration, now);
    }
    world.measure(tickSeconds);
    peerSeconds += world.peers * tickSeconds;

    let planned: readonly PlannedMigration[];
    if (options.plans) {
      const before = performance.now();
      const next = plan(world.state, memory, now * 1000, settings);
      const took = performance.now() - before;
      planSum += took;
      planMax = Math.max(planMax, took);
      memory = next.memory;
      planned = next.migrations;
    } else planned = rejoinElsewhere(world);
    rules.planned(planned, now);
    const peers = peersOf(world, planned);
    for (const migration of planned) {
      const peer = peers.get(peerKey(migration))!;
      if (!world.begin(migration, peer, now + tickSeconds * (1 + random.index(2)))) {
        rules.refused(migration, now);
        continue;
      }
      asked++;
      moves[migration.reason] = (moves[migration.reason] ?? 0) + 1;
      sincePoint[migration.reason] = (sincePoint[migration.reason] ?? 0) + 1;
    }
    rules.check(now);
    if (now % pointSeconds === 0) {
      points.push(pointOf(world, options.from + now / 3600, sincePoint));
      sincePoint = {};
    }
  }

  const peerHours = peerSeconds / 3600;
  return {
    options,
    tookSeconds: (performance.now() - began) / 1000,
    planMs: { mean: planSum / ticks, max: planMax },
    points,
    violations: rules.violations,
    moves,
    rolledBack: asked - done - world.migrations.length,
    peerHours,
    movesPerPeerHour: asked / peerHours,
    hotSeconds: rules.hotSeconds,
    drainSeconds: rules.drainSeconds,
    lostSeconds: rules.lostSeconds,
    noisyMoved: rules.noisyMoved,
    mostMovesOfAPeer: rules.mostMoves,
    refusedJoins: world.refused,
    counts: scenario.counts,
  };
}

function peersOf(world: World, planned: readonly PlannedMigration[]): Map<string, SimPeer> {
  const found = new Map<string, SimPeer>();
  for (const from of new Set(planned.map(({ fromNode }) => fromNode))) {
    for (const peer of world.byId.get(from)!.peers) found.set(peerKey(peer), peer);
  }
  return found;
}

/** Without a planner, clients of a dead node rejoin on another node. */
function rejoinElsewhere(world: World): PlannedMigration[] {
  return world.nodes
    .filter(({ alive }) => !alive)
    .flatMap(({ id, peers }) =>
      peers.flatMap(({ roomId, sessionId, migrating }) => {
        const target = migrating ? undefined : world.assign(undefined);
        return target ? [{ roomId, sessionId, fromNode: id, toNode: target.id, reason: 'node_lost' as const }] : [];
      }),
    );
}

function pointOf(world: World, hour: number, moves: Readonly<Record<string, number>>): Point {
  const alive = world.nodes.filter((node) => node.alive);
  const count = (fits: (node: SimNode) => boolean): number => alive.filter(fits).length;
  let poor = 0;
  for (const { peers } of alive) for (const { score, noisy } of peers) if (!noisy && score < 0.6) poor++;
  return {
    hour,
    peers: world.peers,
    cpuMean: alive.reduce((sum, { cpu }) => sum + cpu, 0) / alive.length,
    cpuMax: alive.reduce((max, { cpu }) => Math.max(max, cpu), 0),
    hot: count(({ cpu }) => cpu > plannerSettings.hotCpu),
    draining: count(({ state, peers }) => state === 'draining' && peers.length > 0),
    dead: world.nodes.length - alive.length,
    poor,
    moves,
  };
}
