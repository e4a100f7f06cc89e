import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyTopologyUpdate,
  diffTopologies,
  type Topology,
  TopologyUpdate,
  type TopologyVertex,
} from '../src/index.ts';

const id = (prefix: string) => fc.nat({ max: 40 }).map((number) => `${prefix}${number}`);
const count = fc.nat({ max: 3 });
const vertex: fc.Arbitrary<TopologyVertex> = fc.oneof(
  fc.record({ kind: fc.constant('gateway' as const), id: id('gw_'), alive: fc.boolean(), sessions: count }),
  fc.record({
    kind: fc.constant('room' as const),
    id: id('rm_'),
    name: fc.constant('a'),
    mediaMode: fc.constantFrom('sfu' as const, 'peer' as const),
    participants: count,
    assignments: fc.dictionary(id('nd_'), count, { maxKeys: 3 }),
  }),
  fc.record({
    kind: fc.constant('session' as const),
    id: id('ss_'),
    userId: fc.constant('u'),
    gatewayId: id('gw_'),
    connected: fc.boolean(),
    rooms: fc.array(id('rm_'), { maxLength: 3 }),
    media: fc.array(
      fc.record({
        roomId: id('rm_'),
        nodeId: id('nd_'),
        score: fc.constantFrom(0.5, 0.9),
        group: fc.constantFrom('stable' as const, 'move' as const),
      }),
      { maxLength: 2 },
    ),
  }),
  fc.record(
    {
      kind: fc.constant('migration' as const),
      id: id('mig_'),
      roomId: id('rm_'),
      sessionId: id('ss_'),
      participantId: id('pt_'),
      fromNode: id('nd_'),
      toNode: id('nd_'),
      reason: fc.constant('drain' as const),
      step: fc.constantFrom('reserved' as const, 'prepared' as const),
      startedAt: count,
      gapMs: count,
    },
    {
      requiredKeys: [
        'kind',
        'id',
        'roomId',
        'sessionId',
        'participantId',
        'fromNode',
        'toNode',
        'reason',
        'step',
        'startedAt',
      ],
    },
  ),
  fc.record({
    kind: fc.constant('negotiation' as const),
    id: id('rm_0/pt_'),
    roomId: fc.constant('rm_0'),
    participants: fc.tuple(id('pt_'), id('pt_')),
    state: fc.constantFrom('stable' as const, 'have-local-offer' as const),
  }),
);
const topology: fc.Arbitrary<Topology> = fc.record({
  at: fc.nat(),
  vertices: fc.uniqueArray(vertex, { selector: (each) => each.id, maxLength: 60 }),
  truncated: fc.boolean(),
});
const byId = ({ vertices }: Topology) => new Map(vertices.map((each) => [each.id, each]));
const sessions = (from: number, to: number): Topology => ({
  at: 1,
  truncated: false,
  vertices: Array.from({ length: to - from }, (_, index) => ({
    kind: 'session',
    id: `ss_${from + index}`,
    userId: 'u',
    gatewayId: 'gw_a',
    connected: true,
    rooms: [],
    media: [],
  })),
});

describe('the difference of two topologies', () => {
  test('applied to the old topology gives the new one, for any two topologies', () => {
    fc.assert(
      fc.property(fc.option(topology, { nil: undefined }), topology, (old, now) => {
        const known = old ? byId(old) : byId(sessions(0, 3));
        for (const part of diffTopologies(old, now)) applyTopologyUpdate(known, TopologyUpdate.parse(part));
        expect(known).toEqual(byId(now));
      }),
    );
  });

  test('the difference of a topology to itself is empty, also when its vertices are in another order', () => {
    fc.assert(
      fc.property(topology, (now) => {
        const { at, truncated } = now;
        const again = { ...now, vertices: now.vertices.toReversed() };
        expect(diffTopologies(again, now)).toEqual([{ at, truncated, reset: false, changed: [], removed: [] }]);
      }),
    );
    const assignments = (order: Record<string, number>): Topology => ({
      at: 1,
      truncated: false,
      vertices: [{ kind: 'room', id: 'rm_a', name: 'a', mediaMode: 'sfu', participants: 3, assignments: order }],
    });
    expect(diffTopologies(assignments({ nd_a: 1, nd_b: 2 }), assignments({ nd_b: 2, nd_a: 1 }))[0]).toMatchObject({
      changed: [],
    });
  });

  test('is split into linked parts of at most 500 changes, and only the first resets', () => {
    const all = diffTopologies(undefined, sessions(0, 1201));
    expect(all.map(({ at, reset, changed }) => [at, reset, changed.length])).toEqual([
      [1, true, 500],
      [1, false, 500],
      [1, false, 201],
    ]);
    const some = diffTopologies(sessions(0, 1201), sessions(1200, 1300));
    expect(some.map(({ changed, removed }) => [changed.length, removed.length])).toEqual([
      [99, 500],
      [0, 500],
      [0, 200],
    ]);
  });
});
