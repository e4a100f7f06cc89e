import { RedisLink } from '@flotilla/bus';
import { createLogger } from '@flotilla/runtime';
import { joinAs, newcomer, nodeReport, notYet, roomRecord, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RedisStore } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'fatal' });

describe('damaged records in Redis', () => {
  let redis: Redis;
  let store: RedisStore;
  let namespace: string;
  const key = (name: string): string => `${namespace}:${name}`;
  /** Gives a key another type than the scripts expect. */
  const damageType = async (name: string): Promise<void> => {
    await redis.del(key(name));
    await redis.set(key(name), 'damaged');
  };

  beforeAll(async () => {
    redis = new RedisLink({ url: testBrokers().redisUrl }, log, 'test').redis;
    await redis.connect();
  });
  afterAll(() => redis.disconnect());
  beforeEach(async () => {
    namespace = uniqueName('t');
    store = await RedisStore.connect({ url: testBrokers().redisUrl, namespace, log });
    await store.nodes.report(nodeReport('nd_a', { capacity: 100 }));
  });
  afterEach(() => store.close());

  const createRoom = (name: string, emptyTimeoutSeconds = 1) =>
    store.rooms.create(roomRecord(name, { emptyTimeoutSeconds }));
  const join = async (name: string, sessionId?: string) =>
    (await joinAs(store, newcomer(`rm_${name}`, sessionId))).member;

  test('the state of a room, one of its members and its negotiation are INTERNAL while the key of its members has another type', async () => {
    await createRoom('a');
    await damageType('{rm_a}:members');
    const { rooms } = store;
    for (const read of [rooms.state('rm_a'), rooms.memberAt('rm_a', 'pt_1'), rooms.pair('rm_a', 'pt_1', 'pt_2')])
      await expect(read).rejects.toMatchObject({ name: 'FlotillaError', code: 'INTERNAL' });
  });

  test('a room that cannot be deleted keeps no other expired room from being deleted, and is not due at once again', async () => {
    for (const name of ['a', 'b', 'c']) await createRoom(name);
    await redis.zadd(key('rooms:empty'), 1, 'rm_a', 2, 'rm_b', 3, 'rm_c');
    await damageType('{rm_a}:members');
    const { deleted, failed } = await store.rooms.deleteExpired();
    expect(deleted).toEqual(['rm_b', 'rm_c']);
    expect(failed).toMatchObject([{ record: 'rm_a', error: { code: 'INTERNAL' } }]);
    expect(await store.rooms.deleteExpired()).toEqual({ deleted: [], failed: [] });
  });

  test('a node, a relay and a migration that the next version wrote are listed, with the fallback of what is unknown', async () => {
    const { rtpCapabilities, ...report } = nodeReport('nd_b');
    const added = { added: { deep: true } };
    const node = { ...report, ...added, state: 'added', rtpCapabilities: { ...rtpCapabilities, ...added } };
    await redis.hset(key('nodes'), 'nd_b', JSON.stringify(node));
    const relay = { id: 'rl_b', startedAt: 1, state: 'added', capacity: 1, links: 0, rooms: 0, ...added };
    await redis.hset(key('relays'), 'rl_b', JSON.stringify(relay));
    const migration = {
      ...{ id: 'mig_b', roomId: 'rm_b', sessionId: 'ss_b', participantId: 'pt_b', fromNode: 'nd_a', toNode: 'nd_b' },
      ...{ reason: 'added', step: 'prepared', startedAt: 1, endedAt: 2, end: 'added', ...added },
    };
    await redis.hset(key('migrations:history'), 'mig_b', JSON.stringify(migration));
    expect(await store.nodes.list()).toContainEqual(expect.objectContaining({ id: 'nd_b', state: 'cordoned' }));
    expect(await store.relays.list()).toMatchObject([{ id: 'rl_b', state: 'cordoned' }]);
    const { vertices } = await store.topology();
    expect(vertices).toContainEqual(expect.objectContaining({ kind: 'node', id: 'nd_b', state: 'cordoned' }));
    const read = { kind: 'migration', id: 'mig_b', reason: 'manual', end: 'rolled_back' };
    expect(vertices).toContainEqual(expect.objectContaining(read));
  });

  test('a room whose record is not JSON is deleted when it is due, and its entry in the list by the repair pass', async () => {
    for (const name of ['a', 'b']) await createRoom(name);
    await redis.set(key('{rm_a}:room'), 'damaged');
    expect((await store.rooms.list(10)).rooms).toMatchObject([{ id: 'rm_b' }]);
    expect((await store.topology()).vertices).toContainEqual(expect.objectContaining({ kind: 'room', id: 'rm_b' }));
    await redis.zadd(key('rooms:empty'), 1, 'rm_a');
    expect(await store.rooms.deleteExpired()).toEqual({ deleted: ['rm_a'], failed: [] });
    await store.rooms.repair();
    expect(await redis.zcard(key('rooms'))).toBe(1);
  });

  test('the repair pass handles the other members of a room, and other rooms, when a session or a room is damaged', async () => {
    for (const name of ['a', 'b', 'c']) await createRoom(name);
    await join('a');
    const gone = [await join('b', 'ss_b1'), await join('c', 'ss_c1')];
    await join('b', 'ss_b2');
    await damageType('{rm_a}:members');
    await damageType('session:ss_b2:rooms');
    for (const { sessionId } of gone) await redis.del(key(`session:${sessionId}`));
    const { removed, failed } = await store.rooms.repair();
    expect(removed).toBe(2);
    expect(failed.map(({ record }) => record).toSorted()).toEqual([expect.stringContaining('rm_a'), 'rm_b/pt_b2']);
    expect(await store.rooms.state('rm_c')).toMatchObject({ members: [] });
  });

  test('a member whose record or migration is not readable leaves, and the room is deleted with it', async () => {
    for (const name of ['a', 'b']) await createRoom(name);
    for (const sessionId of ['ss_1', 'ss_2', 'ss_3']) await join('a', sessionId);
    await redis.hset(key('{rm_a}:members'), { pt_1: 'damaged', pt_2: 'damaged' });
    await redis.hset(key('{rm_a}:migrations'), { pt_3: 'damaged' });
    expect(await store.rooms.leave('rm_a', 'pt_1', 'left')).toBe(true);
    expect(await store.sessions.close('ss_3', 'left')).toEqual(['rm_a']);
    expect(await store.rooms.delete('rm_a')).toBe(true);
    expect(await redis.keys(key('{rm_a}:*'))).toEqual([key('{rm_a}:events')]);
  });

  test('a session leaves its other rooms and ends when one of its rooms is damaged', async () => {
    for (const name of ['a', 'b']) await createRoom(name);
    const request = newcomer('rm_a', 'ss_1');
    await joinAs(store, request);
    await store.rooms.join({ ...request, roomId: 'rm_b' });
    await damageType('{rm_a}:publications:pt_1');
    expect(await store.sessions.close('ss_1', 'disconnected')).toEqual(['rm_b']);
    expect(await store.sessions.get('ss_1')).toBeUndefined();
  });

  test('a banned user leaves a room with the session that is named when another of its sessions is damaged', async () => {
    await createRoom('a');
    const [named] = [await join('a', 'ss_1'), await join('a', 'ss_2'), await join('a', 'ss_3')];
    await damageType('{rm_a}:publications:pt_2');
    expect(await store.rooms.remove('rm_a', named.id, { userId: named.userId, seconds: 60 })).toBe(true);
    expect((await store.rooms.bans('rm_a', 10)).bans).toMatchObject([{ userId: named.userId }]);
    expect(await redis.hkeys(key('{rm_a}:members'))).toEqual(['pt_2']);
  });

  test('all sessions of a dead gateway are detached when one of them, or another dead gateway, is damaged', async () => {
    await createRoom('a');
    for (const sessionId of ['ss_1', 'ss_2', 'ss_3']) await join('a', sessionId);
    await damageType('session:ss_2:rooms');
    await store.sessions.gatewayAlive('gw_damaged');
    await damageType('gateway:gw_damaged:sessions');
    await store.sessions.gatewayAlive('gw_test');
    const { detached, failed } = await store.sessions.detachOrphaned(-1000, -1000, 10);
    expect(detached).toBe(3);
    expect(failed).toMatchObject([{ record: 'gw_damaged' }]);
    expect((await store.sessions.due(10)).toSorted()).toEqual(['ss_1', 'ss_2', 'ss_3']);
    const { members } = (await store.rooms.state('rm_a'))!;
    expect(members.filter(({ connection }) => connection === 'reconnecting')).toHaveLength(2);
  });

  test('a gateway reattaches its sessions although one of them is damaged', async () => {
    await createRoom('a');
    for (const sessionId of ['ss_1', 'ss_2', 'ss_3']) {
      await join('a', sessionId);
      await store.sessions.detach(sessionId, `hash-of-${sessionId}`, 60_000);
    }
    await damageType('session:ss_2');
    await store.sessions.reattach(['ss_1', 'ss_2', 'ss_3'], 'gw_test');
    expect((await redis.smembers(key('gateway:gw_test:sessions'))).toSorted()).toEqual(['ss_1', 'ss_3']);
  });

  test('a migration whose record is not JSON leaves the journal, one in a step of another version stays, and both hide no other', async () => {
    await store.nodes.report(nodeReport('nd_b', { capacity: 100 }));
    await createRoom('a');
    for (const [index, sessionId] of ['ss_1', 'ss_2', 'ss_3'].entries()) {
      const { id: participantId } = await join('a', sessionId);
      await store.migrations.begin({
        id: `mig_${index + 1}`,
        roomId: 'rm_a',
        sessionId,
        participantId,
        reason: 'manual',
        startedAt: index,
        deadline: index,
      });
    }
    const next = (await redis.hget(key('{rm_a}:migrations'), 'pt_2'))!.replace('"reserved"', '"of the next version"');
    await redis.hset(key('{rm_a}:migrations'), { pt_1: 'damaged', pt_2: next });
    expect(await store.migrations.running(10)).toMatchObject([{ id: 'mig_3' }]);
    expect(await redis.zrange(key('migrations'), '0', '-1')).toEqual(['rm_a/pt_2', 'rm_a/pt_3']);
    expect((await redis.hkeys(key('{rm_a}:migrations'))).toSorted()).toEqual(['pt_2', 'pt_3']);
  });

  test('damaged records of nodes, relays, retained values and history do not hide valid ones', async () => {
    await createRoom('a');
    const relay = { id: 'rl_a', startedAt: 1, state: 'active', capacity: 1, links: 0, rooms: 0 } as const;
    await store.relays.report(relay);
    const retained = { topic: 't', mode: 'reliable', publisherId: 'pt_a', seqId: 1, frames: [] } as const;
    await store.relays.retain('rm_a', { ...retained, frames: [] });
    for (const name of ['nodes', 'relays', '{rm_a}:retained', 'migrations:history', 'nodes:peerScores'])
      await redis.hset(key(name), 'nd_a damaged', '{');
    await redis.hset(key('nodes:peerScores'), 'nd_a', '{');
    await damageType('session:ss_damaged');
    await redis.sadd(key('user:u:sessions'), 'ss_damaged');
    await join('a', 'ss_1');
    expect(await store.nodes.list()).toMatchObject([{ id: 'nd_a' }]);
    expect(await store.relays.list()).toMatchObject([{ id: 'rl_a' }]);
    expect(await store.relays.retained('rm_a')).toEqual([retained]);
    expect(await store.history.recent()).toEqual([]);
    expect(await store.sessions.ofUser('u')).toContain('ss_1');
    await store.sessions.gatewayAlive('gw_test');
    await waitFor('the topology has the room and the session', async () => {
      const ids = new Set((await store.topology()).vertices.map(({ id }) => id));
      for (const id of ['nd_a', 'rm_a', 'ss_1']) if (!ids.has(id)) notYet(`${id} is missing`);
    });
  });
});
