import { type EventLog, roomStream } from '@flotilla/bus';
import { newId, participantIdOf } from '@flotilla/contracts';
import {
  cameraOf,
  joinAs,
  newcomer,
  nodeReport,
  notYet,
  participantClaims,
  roomRecord,
  waitFor,
} from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { brokenInvariants, maxPublications, type Store, takeInventory } from '../src/index.ts';
import { adapters, eventsOf } from './adapters.ts';

describe.each(adapters)('membership in %s', (_name, open) => {
  let store: Store;
  let events: EventLog;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ store, events, close } = await open());
    await store.nodes.report(nodeReport('nd_a', { capacity: 1000 }));
  });
  afterEach(() => close());

  const createRooms = async (count: number) => {
    const names = Array.from({ length: count }, (_, index) => `r${index}`);
    for (const name of names) await store.rooms.create(roomRecord(name));
    return names.map((name) => `rm_${name}`);
  };
  const openSession = async () => {
    const id = newId('session');
    const claims = participantClaims();
    await store.sessions.open({ id, userId: 'u', gatewayId: 'gw_a', ...claims }, `hash-of-${id}`);
    return id;
  };
  const expectWhole = async () => expect(brokenInvariants(await takeInventory(store))).toEqual([]);
  const expectEmpty = async (roomIds: readonly string[]) => {
    for (const roomId of roomIds)
      expect(await store.rooms.state(roomId)).toMatchObject({ members: [], publications: [] });
    expect(await store.nodes.list()).toMatchObject([{ reserved: 0 }]);
  };

  test('a member keeps the position of its stream before it joined, also after it joined again', async () => {
    const [roomId] = await createRooms(1);
    const stream = roomStream(roomId!);
    const sessionId = await openSession();
    const join = () => store.rooms.join(newcomer(roomId!, sessionId));
    expect((await join()).member.joinedAfter).toBe('0-0');
    const before = await events.lastOffset(stream);
    expect((await join()).member.joinedAfter).toBe('0-0');
    expect(await events.lastOffset(stream)).toBe(before);
    await store.rooms.leave(roomId!, participantIdOf(sessionId), 'left');
    const afterLeave = await events.lastOffset(stream);
    await join();
    expect(await store.rooms.member(roomId!, participantIdOf(sessionId))).toMatchObject({ joinedAfter: afterLeave });
  });

  test('the relay of a metadata link is kept as long as the member is in the room', async () => {
    const [roomId] = await createRooms(1);
    const sessionId = await openSession();
    const participantId = participantIdOf(sessionId);
    const link = (relayId: string) => store.rooms.linkRelay(roomId!, participantId, relayId);
    await expect(link('rl_a')).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    await store.rooms.join(newcomer(roomId!, sessionId));
    expect(await store.rooms.linkedRelay(roomId!, participantId)).toBeUndefined();
    await link('rl_a');
    await link('rl_b');
    await store.rooms.join(newcomer(roomId!, sessionId));
    expect(await store.rooms.linkedRelay(roomId!, participantId)).toBe('rl_b');
    await store.rooms.leave(roomId!, participantId, 'left');
    expect(await store.rooms.linkedRelay(roomId!, participantId)).toBeUndefined();
  });

  test('a session that ended joins no room', async () => {
    const [roomId] = await createRooms(1);
    const sessionId = await openSession();
    await store.sessions.close(sessionId, 'left');
    await expect(store.rooms.join(newcomer(roomId!, sessionId))).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
    await expectEmpty([roomId!]);
  });

  test('of parallel joins and the end of their session no member remains', async () => {
    const rooms = await createRooms(5);
    for (let round = 0; round < 10; round++) {
      const sessionId = await openSession();
      const join = async (roomId: string): Promise<unknown> =>
        store.rooms.join(newcomer(roomId, sessionId)).catch(() => undefined);
      await Promise.all([
        ...rooms.slice(0, round % 5).map(join),
        store.sessions.close(sessionId, 'left'),
        ...rooms.slice(round % 5).map(join),
      ]);
      await expectEmpty(rooms);
    }
  });

  test('of 30 parallel joins of a session with a limit of 16 rooms 16 succeed', async () => {
    const rooms = await createRooms(30);
    const sessionId = await openSession();
    const joins = await Promise.allSettled(rooms.map((roomId) => store.rooms.join(newcomer(roomId, sessionId))));
    expect(joins.filter(({ status }) => status === 'fulfilled')).toHaveLength(16);
    expect(joins.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'TOO_MANY_ROOMS' } });
    expect((await store.sessions.get(sessionId))?.rooms).toHaveLength(16);
    await expectWhole();
    expect(await store.sessions.close(sessionId, 'left')).toHaveLength(16);
    await expectEmpty(rooms);
  });

  test('of 30 parallel publications of a participant 16 succeed', async () => {
    const [roomId] = await createRooms(1);
    const { member } = await joinAs(store, newcomer(roomId!));
    const puts = await Promise.allSettled(
      Array.from({ length: 30 }, () => store.rooms.putPublication(roomId!, cameraOf(member))),
    );
    expect(puts.filter(({ status }) => status === 'fulfilled')).toHaveLength(maxPublications);
    expect(puts.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'RATE_LIMITED' } });
    expect((await store.rooms.state(roomId!))?.publications).toHaveLength(maxPublications);
  });

  test('a leave removes the room from its session, a deletion from all sessions', async () => {
    const rooms = await createRooms(2);
    const sessions = [await openSession(), await openSession()];
    for (const sessionId of sessions) for (const roomId of rooms) await store.rooms.join(newcomer(roomId, sessionId));
    await store.rooms.leave(rooms[0]!, participantIdOf(sessions[0]!), 'left');
    expect((await store.sessions.get(sessions[0]!))?.rooms).toEqual([rooms[1]]);
    await store.rooms.delete(rooms[1]!);
    expect((await store.sessions.get(sessions[0]!))?.rooms).toEqual([]);
    expect((await store.sessions.get(sessions[1]!))?.rooms).toEqual([rooms[0]]);
    await expectWhole();
  });

  test('a member with half of a surrogate pair in its name and label leaves', async () => {
    const [roomId] = await createRooms(1);
    const broken = 'Ada \ud83d';
    const { member } = await joinAs(store, { ...newcomer(roomId!), name: broken });
    await store.rooms.putPublication(roomId!, cameraOf(member, { label: broken }));
    expect(await store.rooms.leave(roomId!, member.id, 'left')).toBe(true);
    await expectEmpty([roomId!]);
    expect((await eventsOf(events, roomId!)).at(-1)).toMatchObject({ type: 'participant_left' });
  });

  test('a dropped connection and its resume are appended to each room of the session', async () => {
    const rooms = await createRooms(2);
    const sessionId = await openSession();
    const participantId = participantIdOf(sessionId);
    for (const roomId of rooms) await store.rooms.join(newcomer(roomId, sessionId));
    await store.sessions.detach(sessionId, `hash-of-${sessionId}`, 60_000);
    for (const roomId of rooms) {
      expect(await store.rooms.state(roomId)).toMatchObject({ members: [{ connection: 'reconnecting' }] });
      expect((await eventsOf(events, roomId)).at(-1)).toMatchObject({
        type: 'participant_connection',
        payload: { participantId, connection: 'reconnecting' },
      });
    }
    await store.sessions.resume(`hash-of-${sessionId}`, 'next', 'gw_b');
    for (const roomId of rooms) {
      expect((await store.rooms.state(roomId))?.members[0]).not.toHaveProperty('connection');
      expect((await eventsOf(events, roomId)).at(-1)).toMatchObject({
        type: 'participant_connection',
        payload: { participantId, connection: 'connected' },
      });
    }
  });

  test('the sessions of a dead gateway are shown as reconnecting, and as connected after they are reattached', async () => {
    const [roomId] = await createRooms(1);
    const sessionId = await openSession();
    await store.sessions.gatewayAlive('gw_a');
    await store.rooms.join(newcomer(roomId!, sessionId));
    await waitFor('the gateway times out', async () =>
      (await store.sessions.detachOrphaned(20, 60_000, 10)).detached === 1 ? undefined : notYet('it has not'),
    );
    expect(await store.rooms.state(roomId!)).toMatchObject({ members: [{ connection: 'reconnecting' }] });
    await store.sessions.reattach([sessionId], 'gw_a');
    expect((await store.rooms.state(roomId!))?.members[0]).not.toHaveProperty('connection');
  });

  test('a member is reassigned from a lost node only while its heartbeat is older than those of others', async () => {
    const [roomId] = await createRooms(1);
    const { member } = await joinAs(store, newcomer(roomId!));
    await store.rooms.putPublication(roomId!, cameraOf(member));
    const request = { id: newId('migration'), roomId: roomId!, sessionId: member.sessionId, participantId: member.id };
    const reassign = (lostAfterMs: number) =>
      store.migrations.reassignLost({ ...request, startedAt: Date.now(), lostAfterMs });
    await expect(reassign(60_000)).rejects.toMatchObject({ code: 'MIGRATION_NOT_ACTIVE' });
    await waitFor('the other node reports later', async () => {
      await store.nodes.report(nodeReport('nd_b'));
      const [a, b] = (await store.nodes.list()).toSorted((one, other) => one.lastSeenAt - other.lastSeenAt);
      if (b!.lastSeenAt - a!.lastSeenAt < 30) notYet('30 ms have not passed');
    });
    expect(await reassign(30)).toMatchObject({ fromNode: 'nd_a', toNode: 'nd_b', reason: 'node_lost' });
    expect(await store.rooms.member(roomId!, member.id)).toMatchObject({ nodeId: 'nd_b' });
    expect((await eventsOf(events, roomId!)).slice(-2)).toMatchObject([
      { type: 'participant_moved', payload: { nodeId: 'nd_b' } },
      { type: 'media_lost', payload: { participantIds: [member.id], reason: 'node_lost' } },
    ]);
    expect(await store.history.recent()).toMatchObject([{ id: request.id, end: 'committed', toNode: 'nd_b' }]);
    await expect(reassign(60_000)).rejects.toMatchObject({ code: 'MIGRATION_NOT_ACTIVE' });
    // A node that reports gets the id of the lost one, until that one reports again.
    expect(await store.nodes.report(nodeReport('nd_b'))).toEqual(['nd_a']);
    await store.nodes.report(nodeReport('nd_a'));
    expect(await store.nodes.report(nodeReport('nd_b'))).toEqual([]);
  });
});
