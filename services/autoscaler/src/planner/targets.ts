import type { Examination, Examined } from './examination.ts';
import type { PlannerSettings } from './settings.ts';
import type { FleetState, PlannerMemory } from './state.ts';

/** An examined node as a place to send peers to, with what is on its way to it or from it. */
interface Place {
  readonly examined: Examined;
  /** CPU of a typical peer on it. */
  readonly cpuPerPeer: number;
  /** CPU once what was sent and taken shows. */
  cpu: number;
  reserved: number;
  from: number;
  to: number;
}

/** A node's peers give the cost of one. Few peers give a poor estimate, so this many of an assumed cost are added. */
const assumedPeers = 10;
const assumedCpu = 0.01;
/** How much of the score the last of a node's free places is thought to cost. */
const crowding = 0.2;

/** What a target has to offer. */
export interface Wish {
  /** How many may be on their way to it. */
  readonly atOnce: number;
  /** The score it has to have more than. */
  readonly leastScore: number;
  /** Its CPU, once all on their way have come, has to be below this. */
  readonly cpuThen: number;
  /** The peer has media where it is: it can wait for a preferred node that takes no more at this time. */
  readonly canWait: boolean;
}

export interface TargetOptions {
  readonly settings: PlannerSettings;
  readonly now: number;
  /** Nodes that peers are sent to before all others. */
  readonly preferred: ReadonlySet<string>;
}

/** Where peers can go, while a plan fills the places. */
export class Targets {
  readonly #places = new Map<string, Place>();
  /** Those that take anybody at all, in the order of the state. */
  readonly #open: Place[];
  readonly #preferred: Place[];
  readonly #settings: PlannerSettings;

  constructor(
    { nodes }: Examination,
    state: FleetState,
    memory: PlannerMemory,
    { settings, now, preferred }: TargetOptions,
  ) {
    this.#settings = settings;
    for (const [id, examined] of nodes) {
      const { cpu, reserved, peers } = examined.node;
      const cpuPerPeer = (cpu + assumedPeers * assumedCpu) / (peers.length + assumedPeers);
      this.#places.set(id, { examined, cpuPerPeer, cpu, reserved, from: 0, to: 0 });
    }
    for (const { fromNode, toNode } of state.moving) {
      this.#count(fromNode, toNode);
      const target = this.#places.get(toNode);
      if (target) target.reserved++;
    }
    for (const { from, to, at } of memory.recent) {
      if (now - at < settings.settleMs) this.#shift(from, to);
    }
    this.#open = [...this.#places.values()].filter(
      ({ examined: { node, atFault } }) => node.state === 'active' && node.cpu < settings.targetCpu && !atFault,
    );
    this.#preferred = this.#open.filter(({ examined: { node } }) => preferred.has(node.id));
  }

  #count(from: string, to: string): void {
    const [source, target] = [this.#places.get(from), this.#places.get(to)];
    if (source) source.from++;
    if (target) target.to++;
  }

  #shift(from: string, to: string): void {
    const [source, target] = [this.#places.get(from), this.#places.get(to)];
    const cpu = source?.cpuPerPeer ?? target?.cpuPerPeer ?? 0;
    if (source) source.cpu -= cpu;
    if (target) target.cpu += cpu;
  }

  /** CPU of a node once all that is on its way shows. */
  cpuOf(nodeId: string): number {
    return this.#places.get(nodeId)?.cpu ?? 0;
  }

  /** Whether one more may leave the node at this time. A lost node's peers may all. */
  maySend(nodeId: string): boolean {
    return (this.#places.get(nodeId)?.from ?? 0) < this.#settings.fromAtOnce;
  }

  /**
   * The node with the best expected score, a preferred one if any fits: what is typical of its peers, less what filling it up
   * costs. Undefined when none below `targetCpu` has a place free and fits, or a preferred one can be waited for.
   */
  best(avoid: (nodeId: string) => boolean, wish: Wish): string | undefined {
    const best = this.#bestOf(this.#preferred, avoid, wish);
    if (best !== undefined || this.#mayWait(avoid, wish)) return best;
    return this.#bestOf(this.#open, avoid, wish);
  }

  #mayWait(avoid: (nodeId: string) => boolean, wish: Wish): boolean {
    return wish.canWait && this.#bestOf(this.#preferred, avoid, { ...wish, atOnce: Infinity }) !== undefined;
  }

  #bestOf(
    places: readonly Place[],
    avoid: (nodeId: string) => boolean,
    { atOnce, leastScore, cpuThen }: Wish,
  ): string | undefined {
    let best: string | undefined;
    let bestScore = leastScore;
    for (const { examined, cpu, reserved, to, cpuPerPeer } of places) {
      const { id, capacity } = examined.node;
      if (to >= atOnce || reserved >= capacity || cpu + cpuPerPeer >= cpuThen) continue;
      const score = examined.typicalScore - crowding * Math.max(cpu, reserved / capacity);
      if (score > bestScore && !avoid(id)) [best, bestScore] = [id, score];
    }
    return best;
  }

  /**
   * The coolest node that has a place free, however warm it is, for a peer that can't stay. Undefined while one that fits can be waited
   * for: fitting nodes take so many at once only.
   */
  leastWarm(avoid: (nodeId: string) => boolean, wish: Wish): string | undefined {
    if (this.best(avoid, { ...wish, atOnce: Infinity }) !== undefined) return undefined;
    let least: Place | undefined;
    for (const place of this.#places.values()) {
      const { node } = place.examined;
      if (node.state !== 'active' || !node.alive || avoid(node.id)) continue;
      if (place.to >= wish.atOnce || place.reserved >= node.capacity) continue;
      if (!least || place.cpu < least.cpu) least = place;
    }
    return least?.examined.node.id;
  }

  /** A place on `to` is taken by a peer of `from`. */
  take(from: string, to: string): void {
    this.#count(from, to);
    this.#shift(from, to);
    const target = this.#places.get(to);
    if (target) target.reserved++;
  }
}
