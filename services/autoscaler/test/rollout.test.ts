import { describe, expect, test } from 'vitest';
import {
  type FleetState,
  emptyMemory,
  peerKey,
  plan,
  type PlannedMigration,
  type PlannerMemory,
  type PlannerNode,
} from '../src/index.ts';
import { fleet, node, peers } from './fleets.ts';

const s = 1000;
const day = 86_400 * s;
/** When the test begins, by the clock of the nodes and by that of the planner. */
const wallStart = 100 * day;
const planStart = 5 * day;

/** A fleet whose migrations each take a second. */
class Simulation {
  nodes: PlannerNode[];
  readonly moves = new Map<string, number>();
  #memory: PlannerMemory;
  #seconds = 0;

  constructor(nodes: PlannerNode[]) {
    this.nodes = nodes;
    this.#memory = emptyMemory(planStart);
  }

  get wall(): number {
    return wallStart + this.#seconds * s;
  }

  wait(seconds: number): void {
    for (let passed = 0; passed < seconds; passed += 5) this.#step(5);
  }

  start(id: string, revision?: string): void {
    this.nodes = [...this.nodes, node(id, { cpu: 0.1, startedAt: this.wall, revision })];
  }

  /** Drains a node until it is empty, and removes it. */
  drain(id: string): void {
    this.#replace(id, (it) => ({ ...it, state: 'draining', drainStartedAt: this.wall }));
    for (let seconds = 0; this.#find(id).peers.length > 0; seconds++) {
      if (seconds > 60) throw new Error(`${id} still has ${this.#find(id).peers.length} peers after a minute`);
      this.#step(1);
    }
    this.nodes = this.nodes.filter((it) => it.id !== id);
  }

  #step(seconds: number): void {
    this.#seconds += seconds;
    const state: FleetState = fleet(...this.nodes);
    const { migrations, memory } = plan(state, this.#memory, planStart + this.#seconds * s);
    this.#memory = memory;
    for (const migration of migrations) this.#move(migration);
  }

  #move(migration: PlannedMigration): void {
    const key = peerKey(migration);
    const moved = this.#find(migration.fromNode).peers.find((each) => peerKey(each) === key)!;
    this.moves.set(key, (this.moves.get(key) ?? 0) + 1);
    this.#replace(migration.fromNode, (it) =>
      withPeers(
        it,
        it.peers.filter((each) => each !== moved),
      ),
    );
    this.#replace(migration.toNode, (it) => withPeers(it, [...it.peers, moved]));
  }

  #find(id: string): PlannerNode {
    return this.nodes.find((it) => it.id === id)!;
  }

  #replace(id: string, change: (it: PlannerNode) => PlannerNode): void {
    this.nodes = this.nodes.map((it) => (it.id === id ? change(it) : it));
  }
}

/** A node with these peers, each of which costs half a percent of its CPU. */
const withPeers = (it: PlannerNode, its: PlannerNode['peers']): PlannerNode => ({
  ...it,
  peers: its,
  reserved: its.length,
  cpu: 0.05 + its.length / 200,
});

const oldNode = (id: string, ageDays: number): PlannerNode =>
  node(id, { peers: peers(25), startedAt: wallStart - ageDays * day });
const four = () => [oldNode('nd_a', 30), oldNode('nd_b', 30), oldNode('nd_c', 30), oldNode('nd_d', 1)];
const names = ['nd_a', 'nd_b', 'nd_c', 'nd_d'];

describe('a rollout', () => {
  test('moves each peer once when each new node starts before an old one drains', () => {
    const simulation = new Simulation(four());
    for (const name of names) {
      simulation.start(`${name}_new`);
      simulation.wait(30);
      simulation.drain(name);
    }
    expect(simulation.moves.size).toBe(100);
    expect(new Set(simulation.moves.values())).toEqual(new Set([1]));
  });

  test('that takes an hour still prefers the nodes that it started', () => {
    const simulation = new Simulation(four());
    for (const name of names) {
      simulation.start(`${name}_new`);
      simulation.wait(540);
      simulation.drain(name);
    }
    expect(new Set(simulation.moves.values())).toEqual(new Set([1]));
  });

  test('moves only the peers of the first node twice when each new node starts after an old one has ended', () => {
    const simulation = new Simulation(four());
    const ofFirst = new Set(simulation.nodes[0]!.peers.map(peerKey));
    for (const name of names) {
      simulation.drain(name);
      simulation.start(`${name}_new`);
      simulation.wait(30);
    }
    for (const [key, moves] of simulation.moves) expect(moves, key).toBeLessThanOrEqual(ofFirst.has(key) ? 2 : 1);
  });

  test('moves each peer once although the nodes that it replaces had just replaced others', () => {
    const simulation = new Simulation(four().map((it) => ({ ...it, revision: 'first' })));
    let previous = names;
    for (const revision of ['second', 'third', 'fourth']) {
      simulation.moves.clear();
      const replaced = previous;
      previous = replaced.map((name) => `${name}_${revision}`);
      for (const [index, name] of replaced.entries()) {
        simulation.start(previous[index]!, revision);
        simulation.wait(10);
        simulation.drain(name);
      }
      expect(new Set(simulation.moves.values()), revision).toEqual(new Set([1]));
    }
  });

  test('prefers the newest revision although the process of an older node has started again since', () => {
    const simulation = new Simulation(four().map((it) => ({ ...it, revision: 'first' })));
    simulation.start('nd_new', 'second');
    simulation.wait(30);
    simulation.nodes = simulation.nodes.map((it) => (it.id === 'nd_b' ? { ...it, startedAt: simulation.wall } : it));
    simulation.drain('nd_a');
    expect(simulation.nodes.find(({ id }) => id === 'nd_new')!.peers).toHaveLength(25);
  });

  test('does not fill a new node above its capacity: the rest goes to old ones', () => {
    const small = node('nd_new', { capacity: 10, startedAt: wallStart });
    const simulation = new Simulation([oldNode('nd_a', 30), oldNode('nd_b', 30), small]);
    simulation.drain('nd_a');
    expect(simulation.nodes.map(({ id, peers: its }) => [id, its.length])).toEqual([
      ['nd_b', 40],
      ['nd_new', 10],
    ]);
  });
});

describe('a drain without new nodes', () => {
  test('spreads the peers over the others', () => {
    const simulation = new Simulation([...four().slice(0, 3)]);
    simulation.drain('nd_a');
    for (const { peers: its } of simulation.nodes) expect(its.length).toBeGreaterThan(30);
  });

  test('spreads the peers over the others, also when all are of one revision that has just started', () => {
    const simulation = new Simulation(four().map((it) => ({ ...it, revision: 'only' })));
    simulation.start('nd_new', 'only');
    simulation.wait(30);
    simulation.drain('nd_a');
    expect(simulation.nodes.find(({ id }) => id === 'nd_new')!.peers.length).toBeLessThan(25);
  });

  test('long after a rollout prefers none of the nodes that it started', () => {
    const simulation = new Simulation(four());
    simulation.start('nd_new');
    simulation.wait(30);
    simulation.drain('nd_a');
    simulation.wait(7200);
    const before = simulation.nodes.find(({ id }) => id === 'nd_new')!.peers.length;
    simulation.drain('nd_b');
    const gained = simulation.nodes.find(({ id }) => id === 'nd_new')!.peers.length - before;
    expect(gained).toBeLessThan(25);
  });
});
