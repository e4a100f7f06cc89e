import { describe, expect, test } from 'vitest';
import {
  emptyMemory,
  type FleetState,
  plan,
  type PlannerMemory,
  type PlannerPeer,
  plannerSettings,
} from '../src/index.ts';
import { fleet, node, peer, peers } from './fleets.ts';

const s = 1000;

/** Plans repeatedly with a constant state, and returns all plans. */
function watch(state: FleetState, seconds: number, memory: PlannerMemory = emptyMemory(0), from = 0) {
  const plans = [];
  for (let at = from; at <= from + seconds * s; at += s) {
    const next = plan(state, memory, at);
    memory = next.memory;
    plans.push({ at, ...next });
  }
  return plans;
}
const movedIn = (plans: { migrations: readonly unknown[] }[]) => plans.flatMap(({ migrations }) => migrations);

describe('planner with a hot node', () => {
  test('moves peers after 10 s above 90 % CPU, and not before', () => {
    const plans = watch(fleet(node('nd_a', { cpu: 0.95, peers: peers(50) }), node('nd_b')), 10);
    expect(movedIn(plans.slice(0, -1))).toEqual([]);
    expect(plans.at(-1)!.migrations[0]).toMatchObject({ fromNode: 'nd_a', toNode: 'nd_b', reason: 'node_load' });
  });

  test('restarts the 10 s after a moment below 90 %', () => {
    const its = peers(50);
    const at = (cpu: number) => fleet(node('nd_a', { cpu, peers: its }), node('nd_b'));
    const first = watch(at(0.95), 9);
    const dip = plan(at(0.85), first.at(-1)!.memory, 9.5 * s);
    expect(movedIn(watch(at(0.95), 9, dip.memory, 10 * s))).toEqual([]);
  });

  test('does not count a pause between two plans as hot time', () => {
    const state = fleet(node('nd_a', { cpu: 0.95, peers: peers(50) }), node('nd_b'));
    const before = watch(state, 5);
    expect(movedIn(watch(state, 9, before.at(-1)!.memory, 60 * s))).toEqual([]);
  });

  test('moves only as many peers as needed for 80 %, although the reported CPU lags behind', () => {
    const plans = watch(fleet(node('nd_a', { cpu: 0.95, peers: peers(50) }), node('nd_b', { capacity: 1000 })), 18);
    // 0.0175 per peer: 9 peers are about 0.15.
    expect(movedIn(plans)).toHaveLength(9);
  });

  test('moves peers of the hottest worker alone, as many as needed by the load of that worker', () => {
    const [hot, cool] = [peers(20, { worker: 11 }), peers(30, { worker: 12 })];
    const state = fleet(
      node('nd_a', { cpu: 0.95, hottestWorker: 11, peers: [...cool, ...hot] }),
      node('nd_b', { capacity: 1000 }),
    );
    const moved = movedIn(watch(state, 18));
    // 0.035 per peer: 5 peers are more than 0.15.
    expect(moved).toHaveLength(5);
    const ids = new Set(hot.map(({ sessionId }) => sessionId));
    for (const { sessionId } of moved as { sessionId: string }[]) expect(ids).toContain(sessionId);
  });

  test('moves the peers with the fewest others of their room on the node first', () => {
    const crowd = peers(40, { roomId: 'rm_big' });
    const lone = [peer({ roomId: 'rm_1' }), peer({ roomId: 'rm_2' })];
    const plans = watch(fleet(node('nd_a', { cpu: 0.95, peers: [...crowd, ...lone] }), node('nd_b')), 10);
    expect(
      plans
        .at(-1)!
        .migrations.slice(0, 2)
        .map(({ roomId }) => roomId),
    ).toEqual(['rm_1', 'rm_2']);
  });

  test('moves no peers when all other nodes are above 75 %, full, cordoned or draining', () => {
    const others = [
      node('nd_b', { cpu: 0.75 }),
      node('nd_c', { reserved: 100 }),
      node('nd_d', { state: 'cordoned' }),
      node('nd_e', { state: 'draining' }),
      node('nd_f', { alive: false }),
    ];
    const plans = watch(fleet(node('nd_a', { cpu: 0.95, peers: peers(50) }), ...others), 20);
    expect(movedIn(plans)).toEqual([]);
    expect(plans.at(-1)!.waiting).toBeGreaterThan(0);
  });
});

describe('planner with degraded peers', () => {
  test('does not move a single degraded peer, because the cause is its own access network', () => {
    const its = [peer({ score: 0.2 }), ...peers(9)];
    expect(movedIn(watch(fleet(node('nd_a', { peers: its }), node('nd_b', { peers: peers(5) })), 120))).toEqual([]);
  });

  test('moves degraded peers to a node with good scores when most peers of their node are degraded for 5 s', () => {
    const its = [...peers(6, { score: 0.4 }), ...peers(4)];
    const plans = watch(fleet(node('nd_a', { peers: its }), node('nd_b', { peers: peers(5) })), 6);
    expect(movedIn(plans.slice(0, 5))).toEqual([]);
    const moved = plans[5]!.migrations;
    expect(moved.map(({ sessionId }) => sessionId)).toEqual(its.slice(0, 6).map(({ sessionId }) => sessionId));
    expect(moved[0]).toMatchObject({ toNode: 'nd_b', reason: 'quality' });
  });

  test('moves no peers when no other node has a better score', () => {
    const bad = () => peers(10, { score: 0.5 });
    const plans = watch(fleet(node('nd_a', { peers: bad() }), node('nd_b', { peers: bad() })), 60);
    expect(movedIn(plans)).toEqual([]);
  });

  test('moves a peer whose own round trip tripled on trial, once in 30 minutes', () => {
    const slow = peer({ rttMs: 200, baselineRttMs: 50 });
    const state = fleet(node('nd_a', { peers: [slow, ...peers(9)] }), node('nd_b', { peers: peers(5) }));
    const plans = watch(state, 1799);
    expect(movedIn(plans)).toMatchObject([{ sessionId: slow.sessionId, reason: 'rtt' }]);
  });

  test('a constantly long round trip, or a tripled short one, is no degradation', () => {
    const its = [peer({ rttMs: 400, baselineRttMs: 390 }), peer({ rttMs: 6, baselineRttMs: 1 }), ...peers(8)];
    expect(movedIn(watch(fleet(node('nd_a', { peers: its }), node('nd_b')), 60))).toEqual([]);
  });

  test('a single bad sample moves no peers', () => {
    const [good, bad] = [peers(10), []] as [PlannerPeer[], PlannerPeer[]];
    for (const each of good) bad.push({ ...each, score: 0.1 });
    const at = (its: PlannerPeer[]) => fleet(node('nd_a', { peers: its }), node('nd_b'));
    let memory = emptyMemory(0);
    for (let second = 0; second < 120; second++) {
      const next = plan(at(second % 4 === 0 ? bad : good), memory, second * s);
      expect(next.migrations).toEqual([]);
      memory = next.memory;
    }
  });
});

describe('planner with draining and lost nodes', () => {
  test('moves a peer whose migration failed to another node than before, and to the same one when there is no other', () => {
    const drained = node('nd_a', { state: 'draining', peers: [peer()] });
    const targets = (state: FleetState) =>
      watch(state, 10).flatMap(({ migrations }) => migrations.map(({ toNode }) => toNode));
    const among = targets(fleet(drained, node('nd_b'), node('nd_c')));
    expect(among.length).toBeGreaterThan(3);
    for (const [index, toNode] of among.slice(1).entries()) expect(toNode).not.toBe(among[index]);
    expect(new Set(targets(fleet(drained, node('nd_b'))))).toEqual(new Set(['nd_b']));
  });

  test('moves all peers of a draining node, at most ten at a time, and none of a cordoned node', () => {
    const its = peers(25);
    const state = fleet(
      node('nd_a', { state: 'draining', peers: its }),
      node('nd_b', { state: 'cordoned', peers: peers(5) }),
      node('nd_c'),
      node('nd_d'),
      node('nd_e'),
    );
    const { migrations } = plan(state, emptyMemory(0), 0);
    expect(migrations).toHaveLength(plannerSettings.fromAtOnce);
    expect(new Set(migrations.map(({ fromNode, reason }) => `${fromNode} ${reason}`))).toEqual(new Set(['nd_a drain']));
  });

  test.each([
    ['draining', { state: 'draining' as const }],
    ['lost', { alive: false }],
  ])('moves the peers of a %s node to the node with the least CPU when all are above 75 %%', (_what, gone) => {
    const its = peers(2);
    const state = fleet(
      node('nd_a', { ...gone, peers: its }),
      node('nd_b', { cpu: 0.99 }),
      node('nd_c', { cpu: 0.8 }),
      node('nd_d', { cpu: 0.1, reserved: 100 }),
      node('nd_e', { cpu: 0.1, state: 'cordoned' }),
    );
    const { migrations, waiting } = plan(state, emptyMemory(0), 0);
    expect(migrations.map(({ toNode }) => toNode)).toEqual(['nd_c', 'nd_c']);
    expect(waiting).toBe(0);
  });

  test('waits for a node below 75 % CPU that is at its bound of concurrent migrations', () => {
    const state = fleet(
      node('nd_a', { state: 'draining', peers: peers(10) }),
      node('nd_b', { state: 'draining', peers: peers(10) }),
      node('nd_c'),
      node('nd_d', { cpu: 0.8 }),
    );
    const { migrations, waiting } = plan(state, emptyMemory(0), 0);
    expect(new Set(migrations.map(({ toNode }) => toNode))).toEqual(new Set(['nd_c']));
    expect(waiting).toBe(10);
  });

  test('moves peers of draining but not of hot nodes during the cool-down of a new leader', () => {
    const state = fleet(
      node('nd_a', { state: 'draining', peers: peers(2) }),
      node('nd_b', { cpu: 0.95, peers: peers(20) }),
      node('nd_c'),
    );
    const moved = watch(state, 59, emptyMemory(60 * s)).flatMap(({ migrations }) => migrations);
    expect(new Set(moved.map(({ reason }) => reason))).toEqual(new Set(['drain']));
  });

  test('moves the peers of a lost node at once, the largest room first, distributed over the other nodes', () => {
    const small = peers(2, { roomId: 'rm_small' });
    const big = peers(20, { roomId: 'rm_big' });
    const state = fleet(
      node('nd_a', { alive: false, peers: [...small, ...big] }),
      node('nd_b', { peers: peers(3, { roomId: 'rm_other' }) }),
      node('nd_c', { peers: peers(3, { roomId: 'rm_other' }) }),
    );
    const { migrations } = plan(state, emptyMemory(0), 0);
    expect(migrations.map(({ roomId }) => roomId)).toEqual([
      ...big.map(({ roomId }) => roomId),
      ...small.map(({ roomId }) => roomId),
    ]);
    const to = (id: string) => migrations.filter(({ toNode }) => toNode === id).length;
    expect(Math.abs(to('nd_b') - to('nd_c'))).toBeLessThanOrEqual(2);
  });

  test('retries a failed mandatory migration after a pause, but not a running one', () => {
    const [one, other] = peers(2);
    const drained = node('nd_a', { state: 'draining', peers: [one!, other!] });
    const state: FleetState = {
      nodes: [drained, node('nd_b')],
      moving: [{ ...other!, fromNode: 'nd_a', toNode: 'nd_b', reason: 'drain' }],
    };
    const plans = watch(state, 5);
    expect(plans.map(({ migrations }) => migrations.length)).toEqual([1, 0, 1, 0, 1, 0]);
  });

  test('evacuates a peer whose source node is lost during its migration once', () => {
    const [one, other] = peers(2);
    const lost = node('nd_a', { alive: false, peers: [one!, other!] });
    const state: FleetState = {
      nodes: [lost, node('nd_b')],
      moving: [
        { ...one!, fromNode: 'nd_a', toNode: 'nd_b', reason: 'drain' },
        { ...other!, fromNode: 'nd_a', toNode: 'nd_b', reason: 'node_lost' },
      ],
    };
    const { migrations } = plan(state, emptyMemory(0), 0);
    expect(migrations).toMatchObject([{ sessionId: one!.sessionId, reason: 'node_lost' }]);
  });

  test('a mandatory migration returns to a previous node when there is no other target', () => {
    const one = peer();
    const there = plan(fleet(node('nd_a', { state: 'draining', peers: [one] }), node('nd_b')), emptyMemory(0), 0);
    const back = plan(fleet(node('nd_a'), node('nd_b', { state: 'draining', peers: [one] })), there.memory, 60 * s);
    expect(back.migrations).toMatchObject([{ fromNode: 'nd_b', toNode: 'nd_a' }]);
  });
});

describe('planner targets', () => {
  test('count running and planned migrations against the capacity', () => {
    const state: FleetState = {
      nodes: [
        node('nd_a', { alive: false, peers: peers(20) }),
        node('nd_b', { capacity: 10, reserved: 4 }),
        node('nd_c', { capacity: 10, reserved: 10 }),
      ],
      moving: [{ roomId: 'rm_z', sessionId: 'ss_z', fromNode: 'nd_c', toNode: 'nd_b', reason: 'drain' }],
    };
    const { migrations, waiting } = plan(state, emptyMemory(0), 0);
    expect(migrations).toHaveLength(5);
    expect(waiting).toBe(15);
  });

  test('prefer the node whose peers have the best scores', () => {
    const state = fleet(
      node('nd_a', { state: 'draining', peers: peers(1) }),
      node('nd_b', { peers: peers(10, { score: 0.7 }) }),
      node('nd_c', { peers: peers(10, { score: 0.95 }) }),
      node('nd_d', { peers: peers(10, { score: 0.8 }) }),
    );
    expect(plan(state, emptyMemory(0), 0).migrations).toMatchObject([{ toNode: 'nd_c' }]);
  });
});

test('the planner memory is bounded', () => {
  const settings = { ...plannerSettings, remembered: 10 };
  let memory = emptyMemory(0);
  for (let round = 0; round < 10; round++) {
    const state = fleet(node('nd_a', { alive: false, peers: peers(5) }), node('nd_b'));
    memory = plan(state, memory, round * s, settings).memory;
  }
  expect(memory.moved.size).toBe(10);
});
