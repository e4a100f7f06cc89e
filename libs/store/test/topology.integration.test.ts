import { newId, participantIdOf, Topology, type TopologyVertex } from '@flotilla/contracts';
import { newcomer, nodeReport, notYet, participantClaims, roomRecord, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../src/index.ts';
import { adapters } from './adapters.ts';

const claims = participantClaims();

describe.each(adapters)('the topology in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ store, close } = await open());
  });
  afterEach(() => close());

  const createRoom = (name: string, createdAt = 1) => store.rooms.create(roomRecord(name, { createdAt }));
  const addNode = (id: string, cpu = 0) => store.nodes.report(nodeReport(id, { load: { cpu } }));
  const openSession = async (id: string, gatewayId: string, userId: string) => {
    await store.sessions.open({ id, userId, gatewayId, ...claims }, `hash-${id}`);
    return id;
  };
  const join = async (sessionId: string, roomId: string) => {
    await store.rooms.join(newcomer(roomId, sessionId));
  };
  /** What is read, checked against its schema. */
  const read = async () => Topology.parse(await store.topology());
  const vertex = async (id: string): Promise<TopologyVertex | undefined> =>
    (await read()).vertices.find((each) => each.id === id);

  test('the topology of an empty store is empty', async () => {
    expect(await read()).toEqual({ at: expect.any(Number) as number, vertices: [], truncated: false });
  });

  test('the topology lists gateways, nodes, rooms and sessions with their relations', async () => {
    await store.sessions.gatewayAlive('gw_a');
    await store.sessions.gatewayAlive('gw_b');
    await addNode('nd_a', 0.123_456);
    await createRoom('one', 1);
    await createRoom('two', 2);
    await openSession('ss_1', 'gw_a', 'ada');
    await openSession('ss_2', 'gw_b', 'grace');
    await join('ss_1', 'rm_two');
    await join('ss_1', 'rm_one');
    await join('ss_2', 'rm_one');

    const { vertices, truncated } = await read();
    expect(truncated).toBe(false);
    expect(vertices.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      { kind: 'gateway', id: 'gw_a', alive: true, sessions: 1 },
      { kind: 'gateway', id: 'gw_b', alive: true, sessions: 1 },
      {
        kind: 'node',
        id: 'nd_a',
        alive: true,
        state: 'active',
        capacity: 10,
        reserved: 3,
        cpu: 0.12,
        hottestCpu: 0.12,
      },
      { kind: 'room', id: 'rm_one', name: 'one', mediaMode: 'sfu', participants: 2, assignments: { nd_a: 2 } },
      { kind: 'room', id: 'rm_two', name: 'two', mediaMode: 'sfu', participants: 1, assignments: { nd_a: 1 } },
      {
        kind: 'session',
        id: 'ss_1',
        userId: 'ada',
        gatewayId: 'gw_a',
        connected: true,
        rooms: ['rm_one', 'rm_two'],
        media: [],
      },
      {
        kind: 'session',
        id: 'ss_2',
        userId: 'grace',
        gatewayId: 'gw_b',
        connected: true,
        rooms: ['rm_one'],
        media: [],
      },
    ]);
  });

  test('a detached session is listed as not connected until its resume window ends', async () => {
    await store.sessions.gatewayAlive('gw_a');
    await openSession('ss_1', 'gw_a', 'ada');
    await store.sessions.detach('ss_1', 'hash-ss_1', 60_000);
    expect(await vertex('ss_1')).toMatchObject({ connected: false });
    expect(await vertex('gw_a')).toMatchObject({ sessions: 0 });
    await store.sessions.detach('ss_1', 'hash-ss_1', 1);
    await waitFor('the session is removed', async () => (await vertex('ss_1')) && notYet('it is there'));
    await openSession('ss_2', 'gw_a', 'ada');
    await store.sessions.close('ss_2', 'left');
    expect(await vertex('ss_2')).toBeUndefined();
  });

  test('sessions and rooms are not listed after they are closed and deleted', async () => {
    await store.sessions.gatewayAlive('gw_a');
    await addNode('nd_a');
    await createRoom('one');
    await openSession('ss_1', 'gw_a', 'ada');
    await join('ss_1', 'rm_one');
    await store.rooms.leave('rm_one', participantIdOf('ss_1'), 'left');
    expect(await vertex('rm_one')).toMatchObject({ participants: 0, assignments: {} });
    expect(await vertex('ss_1')).toMatchObject({ rooms: [] });
    await store.rooms.delete('rm_one');
    await store.nodes.remove('nd_a');
    expect((await read()).vertices.map(({ id }) => id).toSorted()).toEqual(['gw_a', 'ss_1']);
  });

  test('a topology that takes many round trips to read is complete', async () => {
    await store.sessions.gatewayAlive('gw_a');
    const open = (_: unknown, index: number) => openSession(newId('session'), 'gw_a', `user-${index % 10}`);
    const ids = await Promise.all(Array.from({ length: 1234 }, open));
    const appended = (await read()).vertices.filter(({ kind }) => kind === 'session').map(({ id }) => id);
    expect(appended.toSorted()).toEqual(ids.toSorted());
  });
});
