import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emptyMemory, peerKey, plan, plannerSettings } from '../src/index.ts';
import { fleet } from './fleets.ts';

const anyPeer = fc.record({
  roomId: fc.constantFrom('rm_1', 'rm_2', 'rm_3'),
  score: fc.double({ min: 0, max: 1, noNaN: true }),
  rttMs: fc.double({ min: 0, max: 500, noNaN: true }),
  baselineRttMs: fc.double({ min: 0, max: 200, noNaN: true }),
});
const anyNode = fc.record({
  cpu: fc.double({ min: 0, max: 1.2, noNaN: true }),
  state: fc.constantFrom('active' as const, 'cordoned' as const, 'draining' as const),
  capacity: fc.integer({ min: 1, max: 30 }),
  spare: fc.integer({ min: -2, max: 10 }),
  alive: fc.boolean(),
  startedAt: fc.integer({ min: 0, max: 2_000_000 }),
  drainStartedAt: fc.option(fc.integer({ min: 0, max: 2_000_000 }), { nil: undefined }),
  peers: fc.array(anyPeer, { maxLength: 15 }),
});
const anyFleet = fc.array(anyNode, { minLength: 1, maxLength: 8 }).map((nodes) =>
  fleet(
    ...nodes.map(({ spare, peers: its, ...rest }, index) => ({
      ...rest,
      id: `nd_${index}`,
      reserved: Math.max(0, rest.capacity - spare),
      peers: its.map((each, at) => ({ ...each, sessionId: `ss_${index}-${at}` })),
    })),
  ),
);

test('for any fleet and any change of it: targets have capacity, bounds hold, no peer is moved twice', () => {
  fc.assert(
    fc.property(
      fc.array(anyFleet, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 15_000 }),
      (states, step) => {
        let memory = emptyMemory(0);
        states.forEach((state, index) => {
          const before = structuredClone({ state, memory });
          const next = plan(state, memory, index * step);
          expect({ state, memory }, 'nothing is changed').toEqual(before);
          expect(plan(state, memory, index * step), 'the same again').toEqual(next);
          memory = next.memory;
          const nodes = new Map(state.nodes.map((each) => [each.id, each]));
          expect(new Set(next.migrations.map(peerKey)).size).toBe(next.migrations.length);
          for (const { fromNode, toNode, sessionId, reason } of next.migrations) {
            expect(nodes.get(fromNode)!.peers.map((each) => each.sessionId)).toContain(sessionId);
            expect(nodes.get(toNode)).toMatchObject({ alive: true, state: 'active' });
            const mustGo = reason === 'drain' || reason === 'node_lost';
            if (!mustGo) expect(nodes.get(toNode)!.cpu).toBeLessThan(plannerSettings.targetCpu);
            expect(toNode).not.toBe(fromNode);
          }
          for (const { id, capacity, reserved, alive } of state.nodes) {
            const sent = next.migrations.filter(({ toNode }) => toNode === id).length;
            expect(sent).toBeLessThanOrEqual(Math.max(0, capacity - reserved));
            const left = next.migrations.filter(({ fromNode }) => fromNode === id).length;
            if (alive) expect(left).toBeLessThanOrEqual(plannerSettings.fromAtOnce);
          }
        });
      },
    ),
    { numRuns: 200 },
  );
});
