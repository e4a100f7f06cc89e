import type { FleetState, PlannedMigration, PlannerNode, PlannerPeer } from '@flotilla/autoscaler';
import type { Random } from '@flotilla/loadtest-kit';

/** A simulated peer. */
export interface SimPeer extends PlannerPeer {
  score: number;
  rttMs: number;
  baselineRttMs: number;
  /** Round trip without a slow path. */
  readonly pathRttMs: number;
  node: SimNode;
  /** Index in `node.peers`. */
  index: number;
  /** CPU on its node, as a share of the cores. */
  cpu: number;
  /** Upper bound of its score by its access network. */
  readonly access: number;
  /** Whether its access network is bad. */
  readonly noisy: boolean;
  /** A slow path: multiplies the round trip until a time. `via` is the node with the slow path; undefined for the peer's own network. */
  slow: { factor: number; until: number; via: SimNode | undefined } | undefined;
  left: boolean;
  migrating: boolean;
}

export interface SimNode extends PlannerNode {
  cpu: number;
  state: PlannerNode['state'];
  reserved: number;
  alive: boolean;
  readonly peers: SimPeer[];
  /** Actual CPU; `cpu` is the reported, smoothed value. */
  used: number;
  /** Reduction of its peers' scores by a fault of the node. */
  degradation: number;
  /** Reduction of its peers' scores by degradation and load. */
  penalty: number;
  /** Since when its CPU is above 90 %, in seconds. */
  hotSince: number | undefined;
  drainingSince: number | undefined;
  /** When a dead or draining node becomes active again, in seconds. */
  backAt: number;
}

export interface SimMigration extends PlannedMigration {
  readonly peer: SimPeer;
  readonly target: SimNode;
  readonly endsAt: number;
}

/** CPU of an idle node. */
const idleCpu = 0.03;
/** Smoothing of the reported CPU per second. */
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
    degradation: 0,
    penalty: 0,
    hotSince: undefined,
    drainingSince: undefined,
    backAt: Infinity,
  };
}

/** State of the simulated fleet: peers, their nodes, CPU and quality. */
export class World {
  readonly nodes: SimNode[];
  readonly byId: ReadonlyMap<string, SimNode>;
  readonly migrations: SimMigration[] = [];
  peers = 0;
  /** Joins refused for lack of capacity. */
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

  /** Assigns as the registry does: to the node of the room while it has capacity, else to the less loaded of two random nodes. */
  assign(roomNode: SimNode | undefined): SimNode | undefined {
    const takes = (node: SimNode): boolean => node.alive && node.state === 'active' && node.reserved < node.capacity;
    const load = ({ cpu, reserved, capacity }: SimNode): number => Math.max(cpu, reserved / capacity);
    if (roomNode && takes(roomNode) && load(roomNode) < 0.8) return roomNode;
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
    peer.left = true;
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

  /** Begins a migration and reserves capacity on its target. False when the registry would refuse it. */
  begin(planned: PlannedMigration, peer: SimPeer, endsAt: number): boolean {
    const target = this.byId.get(planned.toNode)!;
    if (peer.left || peer.migrating || target.reserved >= target.capacity) return false;
    target.reserved++;
    peer.migrating = true;
    this.migrations.push({ ...planned, peer, target, endsAt });
    return true;
  }

  /** Ends due migrations, of which `share` fail. Returns the successful ones. */
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
      if (peer.left || !target.alive || this.random.next() < share) {
        target.reserved--;
        continue;
      }
      peer.node.reserved--;
      this.#leave(peer);
      this.#enter(peer, target);
      // The new node starts with the current round trip as baseline.
      peer.baselineRttMs = peer.rttMs;
      moved.push(migration);
    }
    this.migrations.length = kept;
    return moved;
  }

  /** Updates the reports of the nodes, `seconds` after the last update. */
  measure(seconds: number): void {
    const step = 1 - (1 - smoothing) ** seconds;
    for (const node of this.nodes) {
      if (!node.alive) continue;
      node.cpu += (Math.min(node.used, 1) - node.cpu) * step;
      // Above 85 % CPU packets are delayed.
      const penalty = node.degradation + Math.max(0, node.cpu - 0.85) * 2;
      if (Math.abs(penalty - node.penalty) < 0.005) continue;
      node.penalty = penalty;
      for (const peer of node.peers) peer.score = Math.max(0, peer.access - penalty);
    }
  }

  /** Kills a node. Its peers stay assigned to it until they are migrated. */
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
    node.degradation = 0;
    node.penalty = 0;
    node.backAt = Infinity;
  }
}
