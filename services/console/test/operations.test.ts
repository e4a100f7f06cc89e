import { newId, participantIdOf, type TopologyVertex } from '@flotilla/contracts';
import { migrationRecord } from '@flotilla/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { draw, maxRooms, maxSessions, restId } from '../web/operations/drawing.ts';
import { Fleet, type VertexOf } from '../web/operations/fleet.ts';
import { gapOf, stepOf } from '../web/operations/migration-text.ts';
import { Placement } from '../web/operations/placement.ts';

const gateway = (id: string): TopologyVertex => ({ kind: 'gateway', id, alive: true, sessions: 1 });
const node = (id: string): TopologyVertex => ({
  kind: 'node',
  id,
  alive: true,
  state: 'active',
  capacity: 100,
  reserved: 1,
  cpu: 0,
});
const room = (name: string, assignments: Record<string, number>): VertexOf<'room'> => ({
  kind: 'room',
  id: `rm_${name}`,
  name,
  mediaMode: 'sfu',
  participants: Object.values(assignments).reduce((sum, count) => sum + count, 0),
  assignments,
});
const session = (userId: string, ...rooms: string[]): VertexOf<'session'> => ({
  kind: 'session',
  id: newId('session'),
  userId,
  gatewayId: 'gw_a',
  connected: true,
  rooms,
  media: [],
});
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const fleetOf = (...vertices: TopologyVertex[]) => new Fleet(new Map(vertices.map((vertex) => [vertex.id, vertex])));

/** 1,000 sessions in 100 rooms. */
const large = () =>
  fleetOf(
    gateway('gw_a'),
    node('nd_a'),
    node('nd_b'),
    ...range(100).map((index) => room(`room-${index}`, { [index % 2 === 0 ? 'nd_a' : 'nd_b']: 10 })),
    ...range(1000).map((index) => session(`user-${index}`, `rm_room-${index % 100}`)),
  );

describe('the topology drawing', () => {
  test('a small fleet is drawn with every session', () => {
    const ada = session('ada', 'rm_one');
    const { vertices, edges } = draw(fleetOf(gateway('gw_a'), node('nd_a'), room('one', { nd_a: 1 }), ada), undefined);
    expect(vertices.map(({ id }) => id)).toEqual(['gw_a', 'nd_a', 'rm_one', ada.id]);
    expect(edges.map(({ source, target, kind }) => [source, target, kind])).toEqual([
      ['rm_one', 'nd_a', 'media'],
      ['gw_a', ada.id, 'signal'],
      [ada.id, 'rm_one', 'media'],
    ]);
  });

  test('a large fleet is drawn without sessions; edge weights count them', () => {
    const { vertices, edges } = draw(large(), undefined);
    expect(vertices).toHaveLength(103);
    expect(edges.find(({ source, target }) => source === 'gw_a' && target === 'rm_room-7')).toMatchObject({
      weight: 10,
    });
  });

  test('a node to which a service refuses calls is labelled with its breaker', () => {
    const breaker: TopologyVertex = {
      kind: 'breaker',
      id: 'gateway a/nd_a',
      caller: 'gateway a',
      target: 'nd_a',
      state: 'open',
      since: 1,
    };
    const fleet = fleetOf(node('nd_a'), node('nd_b'), breaker);
    const labels = draw(fleet, undefined).vertices.map(({ label }) => label);
    expect(labels).toEqual(['nd_a\n1 of 100\nbreaker open', 'nd_b\n1 of 100']);
    expect(fleet.get(breaker.id)).toBeUndefined();
    expect(fleet.breakersTo('nd_a')).toEqual([breaker]);
  });

  test('a session has its quality group, and its label names the group unless it is stable', () => {
    const at = { roomId: 'rm_one', nodeId: 'nd_a' };
    const ada = { ...session('ada', 'rm_one'), media: [{ ...at, score: 0.97, group: 'stable' as const }] };
    const bob = { ...session('bob', 'rm_one'), media: [{ ...at, score: 0.7, group: 'watch' as const }] };
    const fleet = fleetOf(gateway('gw_a'), node('nd_a'), room('one', { nd_a: 2 }), ada, bob);
    const { vertices } = draw(fleet, undefined);
    expect(vertices.find(({ id }) => id === ada.id)).toMatchObject({ group: 'stable', label: 'ada' });
    expect(vertices.find(({ id }) => id === bob.id)).toMatchObject({
      group: 'watch',
      label: 'bob\ndegraded, score 0.70',
    });
    expect(fleet.sessionsOn('nd_a').map(({ userId }) => userId)).toEqual(['bob', 'ada']);
  });

  test('selecting a room of a large fleet draws its sessions only', () => {
    const { vertices, edges } = draw(large(), 'rm_room-7');
    expect(vertices.filter(({ kind }) => kind === 'session')).toHaveLength(10);
    expect(edges.some(({ source, target }) => source === 'gw_a' && target === 'rm_room-7')).toBe(false);
    expect(edges.some(({ source, target }) => source === 'gw_a' && target === 'rm_room-8')).toBe(true);
  });

  test('rooms and sessions are bounded, and a selected room is drawn beyond the bound', () => {
    const rooms = range(maxRooms + 50).map((index) => room(`r${index}`, { nd_a: index === 449 ? 0 : 2 }));
    const crowd = range(maxSessions + 50).map((index) => session(`user-${index}`, 'rm_r449'));
    const { vertices } = draw(fleetOf(node('nd_a'), ...rooms, ...crowd), 'rm_r449');
    expect(vertices.filter(({ kind }) => kind === 'room')).toHaveLength(maxRooms + 1);
    expect(vertices.filter(({ kind }) => kind === 'session')).toHaveLength(maxSessions);
    expect(vertices.find(({ id }) => id === 'rm_r449')).toBeDefined();
    expect(vertices.find(({ id }) => id === restId)?.label).toBe('49 smaller rooms');
  });

  test('a negotiation connects its two sessions, or is a loop at the room while they are not drawn', () => {
    const [ada, grace] = [session('ada', 'rm_room-1'), session('grace', 'rm_room-1')];
    const participants: [string, string] = [participantIdOf(ada.id), participantIdOf(grace.id)];
    const negotiation: TopologyVertex = {
      kind: 'negotiation',
      id: `rm_room-1/${participants.join('~')}`,
      roomId: 'rm_room-1',
      participants,
      state: 'have-local-offer',
    };
    const small = fleetOf(gateway('gw_a'), room('room-1', {}), ada, grace, negotiation);
    const of = (fleet: Fleet) => draw(fleet, undefined).edges.filter(({ kind }) => kind === 'negotiation');
    expect(of(small)).toMatchObject([{ source: ada.id, target: grace.id, label: 'have-local-offer' }]);
    const others = range(maxSessions).map((index) => session(`user-${index}`));
    const crowded = fleetOf(gateway('gw_a'), room('room-1', {}), ada, grace, negotiation, ...others);
    expect(of(crowded)).toMatchObject([{ source: 'rm_room-1', target: 'rm_room-1', label: '1 pair' }]);
  });
});

describe('the search for vertices', () => {
  test('results are ordered: whole names, then prefixes, then other matches', () => {
    const fleet = fleetOf(room('my-ada', {}), room('ada', {}), session('adam'), session('grace'));
    const named = (text: string) => fleet.search(text, 10).map((vertex) => vertex.id);
    expect(named('ADA').slice(0, 1)).toEqual(['rm_ada']);
    expect(named('ada')).toHaveLength(3);
    expect(named('ada').at(-1)).toBe('rm_my-ada');
    expect(named(' ')).toEqual([]);
    expect(fleet.search('a', 2)).toHaveLength(2);
  });
});

describe('migration texts', () => {
  const now = 1_000_000;
  const record = migrationRecord({ step: 'prepared', startedAt: now - 2000 });

  test('an active migration shows its step, an ended one its outcome', () => {
    expect(stepOf({ ...record, step: 'reserved' })).toBe('connecting to the new node');
    expect(stepOf(record)).toBe('changing over');
    expect(stepOf({ ...record, end: 'committed' })).toBe('committed');
    expect(stepOf({ ...record, end: 'timed_out' })).toBe('timed out');
  });

  test('an ended migration shows the gap that its client measured, or that there is none', () => {
    const moved = { ...record, end: 'committed' as const, endedAt: now - 1000 };
    expect(gapOf(record, now)).toBe('');
    expect(gapOf(moved, now)).toBe('measuring…');
    expect(gapOf(moved, now + 60_000)).toBe('not measured');
    expect(gapOf({ ...moved, ms: 400 }, now)).toBe('not measured');
    expect(gapOf({ ...moved, ms: 400, gapMs: 82.6 }, now)).toBe('83 ms');
    expect(gapOf({ ...moved, reason: 'node_lost' }, now)).toBe('');
  });
});

describe('the topology layout', () => {
  test('sessions around a room or a gateway do not cover its label', () => {
    for (const count of range(40).slice(1)) {
      const members = range(count).map((index) => session(`user-${index}`, 'rm_one'));
      const guests = range(count).map((index) => session(`guest-${index}`));
      const { vertices } = draw(
        fleetOf(gateway('gw_a'), node('nd_a'), room('one', { nd_a: count }), ...members, ...guests),
        undefined,
      );
      const points = new Placement().place(vertices, true, 1.5);
      for (const [ids, of, below] of [
        [members, 'rm_one', 1],
        [guests, 'gw_a', -1],
      ] as const) {
        const centre = points.get(of)!;
        const reach = vertices.find(({ id }) => id === of)!.size / 2;
        for (const { id } of ids) {
          const [across, down] = [points.get(id)!.x - centre.x, below * (points.get(id)!.y - centre.y)];
          // A label of two lines, 19 units each, with a margin.
          const covers = Math.abs(across) < 40 && down > reach && down < reach + 45;
          expect({ count, of, across, down, covers }).toMatchObject({ covers: false });
        }
      }
    }
  });

  test('with 1,000 sessions, no two rooms and no room and node overlap', () => {
    const { vertices, isComplete } = draw(large(), undefined);
    const points = new Placement().place(vertices, isComplete, 1.5);
    for (const [index, a] of vertices.entries()) {
      for (const b of vertices.slice(index + 1)) {
        const [p, q] = [points.get(a.id)!, points.get(b.id)!];
        expect({ a: a.id, b: b.id, apart: Math.hypot(p.x - q.x, p.y - q.y) > (a.size + b.size) / 2 }).toEqual({
          a: a.id,
          b: b.id,
          apart: true,
        });
      }
    }
  });

  test('vertices keep their positions while others are added and removed', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat({ max: 7 }), { minLength: 1, maxLength: 8 }),
        fc.uniqueArray(fc.nat({ max: 7 }), { minLength: 1, maxLength: 8 }),
        (first, second) => {
          const vertices = (rooms: number[]) =>
            draw(
              fleetOf(gateway('gw_a'), node('nd_a'), ...rooms.map((name) => room(`r${name}`, { nd_a: 1 }))),
              undefined,
            ).vertices;
          const placement = new Placement();
          const before = placement.place(vertices(first), false, 1.5);
          const after = placement.place(vertices(second), false, 1.5);
          for (const [id, point] of after) if (before.has(id)) expect(point).toEqual(before.get(id));
        },
      ),
    );
  });
});
