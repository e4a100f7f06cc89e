import type { FleetState, PlannedMigration, PlannerNode, PlannerPeer } from '@flotilla/autoscaler';
import type { Random } from './random.ts';

/** A peer of the model. The planner sees it as one of a node's report. */
export interface SimPeer extends PlannerPeer {
  score: number;
  rttMs: number;
  baselineRttMs: number;
  /** Its round trip when nothing is slow. */
  readonly pathRttMs: number;
  /** Its node, and where in that node's list it stands. */
  node: SimNode;
  index: number;
  /** What it costs a node, as a share of its cores. */
  cpu: number;
  /** The score that its access network allows. */
  readonly access: number;
  /** A bad access network, on any node. */
  readonly noisy: boolean;
  /** Its round trip is this many times its baseline until then; `via` is the node whose path is slow, or undefined for its own network. */
  slow: { factor: number; until: number; via: SimNode | undefined } | undefined;
  gone: boolean;
  migrating: boolean;
}

export interface SimNode extends PlannerNode {
  cpu: number;
  state: PlannerNode['state'];
  reserved: number;
  alive: boolean;
  readonly peers: SimPeer[];
  /** CPU its peers use in truth; `cpu` is what it reports, smoothed. */
  used: number;
  /** What its own troubles take off every score. */
  sick: number;
  /** What was last taken off its peers' scores. */
  penalty: number;
  /** Since when: above 90 %, draining, dead. */
  hotSince: number | undefined;
  drainingSince: number | undefined;
  backAt: number;
}

export interface SimMigration extends PlannedMigration {
  readonly peer: SimPeer;
  readonly target: SimNode;
  readonly endsAt: number;
}

/** An idle node's own share. */
const idleCpu = 0.03;
/** How much of the difference a node's reported CPU makes up in a second. */
const smoothing = 0.3;

export function newNode(index: number, capacity: number): SimNode {
  return {
    id: `nd_${index}`,
    startedAt: 0,
    cpu: idleCpu,
    state: 'active',
    capacity,
    reserved: 0,
    alive: true,
    peers: [],
    used: idleCpu,
    sick: 0,
    penalty: 0,
    hotSince: undefined,
    drainingSince: undefined,
    backAt: Infinity,
  };
}

/** Who is where, what it costs and how well it goes. No decisions are made here but where newcomers are placed. */
export class World {
  readonly nodes: SimNode[];
  readonly byId: ReadonlyMap<string, SimNode>;
  readonly migrations: SimMigration[] = [];
  peers = 0;
  /** Joins that found no place. */
  refused = 0;

  constructor(
    count: number,
    capacity: number,
    private readonly random: Random,
  ) {
    this.nodes = Array.from({ length: count }, (_, index) => newNode(index + 1, capacity));
    this.byId = new Map(this.nodes.map((node) => [node.id, node]));
  }

  get state(): FleetState {
    return { nodes: this.nodes, moving: this.migrations };
  }

  /** As the registry does: beside others of the room while that node has room, else the better of two. */
  place(beside: SimNode | undefined): SimNode | undefined {
    const takes = (node: SimNode): boolean => node.alive && node.state === 'active' && node.reserved < node.capacity;
    const load = ({ cpu, reserved, capacity }: SimNode): number => Math.max(cpu, reserved / capacity);
    if (beside && takes(beside) && load(beside) < 0.8) return beside;
    let best: SimNode | undefined;
    for (let tries = 0, found = 0; tries < 20 && found < 2; tries++) {
      const node = this.nodes[this.random.index(this.nodes.length)]!;
      if (!takes(node)) continue;
      found++;
      if (!best || load(node) < load(best)) best = node;
    }
    if (!best) this.refused++;
    return best;
  }

  add(peer: SimPeer): void {
    this.peers++;
    peer.node.reserved++;
    this.#enter(peer, peer.node);
  }

  remove(peer: SimPeer): void {
    peer.gone = true;
    this.peers--;
    peer.node.reserved--;
    this.#leave(peer);
  }

  #enter(peer: SimPeer, node: SimNode): void {
    peer.node = node;
    peer.index = node.peers.push(peer) - 1;
    node.used += peer.cpu;
    peer.score = Math.max(0, peer.access - node.penalty);
    this.measureRtt(peer);
  }

  #leave(peer: SimPeer): void {
    const { peers } = peer.node;
    const last = peers.pop()!;
    if (last !== peer) {
      peers[peer.index] = last;
      last.index = peer.index;
    }
    peer.node.used -= peer.cpu;
  }

  measureRtt(peer: SimPeer): void {
    const { slow, node } = peer;
    peer.rttMs = peer.pathRttMs * (slow && (slow.via === undefined || slow.via === node) ? slow.factor : 1);
    peer.baselineRttMs = Math.min(peer.baselineRttMs, peer.rttMs);
  }

  /** Reserves on the target. False when the registry would refuse. */
  begin(planned: PlannedMigration, peer: SimPeer, endsAt: number): boolean {
    const target = this.byId.get(planned.toNode)!;
    if (peer.gone || peer.migrating || target.reserved >= target.capacity) return false;
    target.reserved++;
    peer.migrating = true;
    this.migrations.push({ ...planned, peer, target, endsAt });
    return true;
  }

  /** Ends what is due: `share` of them come to nothing. Returns those that moved. */
  finish(now: number, share: number): SimMigration[] {
    const moved: SimMigration[] = [];
    let kept = 0;
    for (const migration of this.migrations) {
      if (migration.endsAt > now) {
        this.migrations[kept++] = migration;
        continue;
      }
      const { peer, target } = migration;
      peer.migrating = false;
      if (peer.gone || !target.alive || this.random.next() < share) {
        target.reserved--;
        continue;
      }
      peer.node.reserved--;
      this.#leave(peer);
      this.#enter(peer, target);
      // A new node has no other baseline of it than what it measures now.
      peer.baselineRttMs = peer.rttMs;
      moved.push(migration);
    }
    this.migrations.length = kept;
    return moved;
  }

  /** What the nodes report, `seconds` after the last report. */
  measure(seconds: number): void {
    const step = 1 - (1 - smoothing) ** seconds;
    for (const node of this.nodes) {
      if (!node.alive) continue;
      node.cpu += (Math.min(node.used, 1) - node.cpu) * step;
      // Beyond 85 % packets begin to wait.
      const penalty = node.sick + Math.max(0, node.cpu - 0.85) * 2;
      if (Math.abs(penalty - node.penalty) < 0.005) continue;
      node.penalty = penalty;
      for (const peer of node.peers) peer.score = Math.max(0, peer.access - penalty);
    }
  }

  /** A node dies: its peers stay on it until somebody moves them. */
  kill(node: SimNode, backAt: number): void {
    node.alive = false;
    node.backAt = backAt;
    node.hotSince = undefined;
    node.drainingSince = undefined;
  }

  revive(node: SimNode): void {
    node.alive = true;
    node.state = 'active';
    node.cpu = idleCpu;
    node.sick = 0;
    node.penalty = 0;
    node.backAt = Infinity;
  }
}
