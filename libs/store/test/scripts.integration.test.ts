import { RedisLink } from '@flotilla/bus';
import {
  type Canary,
  keptScalings,
  newId,
  participantIdOf,
  type RetainedMessage,
  type ScalingRecord,
} from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { cameraOf, joinAs, newcomer, nodeReport, roomRecord, testBrokers, uniqueName } from '@flotilla/testkit';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { brokenInvariants, RedisStore, takeInventory } from '../src/index.ts';
import { luaOf } from '../src/redis/script-client.ts';
import { type ScriptName, scripts } from '../src/redis/scripts/generated/scripts.ts';

const log = createLogger({ service: 'test', level: 'error' });
const url = () => testBrokers().redisUrl;

let redis: Redis;
beforeAll(async () => {
  redis = new RedisLink({ url: url() }, log, 'test').redis;
  await redis.connect();
});
afterAll(() => redis.disconnect());

/** All keys of a namespace with their values; streams by their entries. */
async function contents(namespace: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const key of (await redis.keys(`${namespace}:*`)).toSorted()) {
    const type = await redis.type(key);
    if (type === 'stream') found[key] = await redis.xrange(key, '-', '+');
    else if (type === 'hash') found[key] = await redis.hgetall(key);
    else if (type === 'set') found[key] = (await redis.smembers(key)).toSorted();
    else if (type === 'zset') found[key] = await redis.zrange(key, '0', '-1', 'WITHSCORES');
    else found[key] = await redis.get(key);
  }
  return found;
}

/** The script with a failure of its call of that number, for once; the calls that restore what was written succeed. */
const failingAt = (name: ScriptName, call: number): string => `
local calls, real = 0, redis
local redis = setmetatable({ call = function(...)
  calls = calls + 1
  if calls == ${call} then real.call('SET', KEYS[1] .. ':failed', 1) error({ err = 'ERR injected' }) end
  return real.call(...)
end }, { __index = real })
${luaOf(name)}`;

const canaryOrder = { kind: 'promote', by: 'test' } as const;
const canaryRecord: Canary = {
  stable: 'v1',
  previous: 'v0',
  candidate: 'v2',
  share: 0.5,
  excluded: ['v4'],
  phase: 'observing',
  since: 1,
  decision: { at: 1, by: 'start', reasons: [] },
  comparisons: [],
};
const scaling = (at: number): ScalingRecord => ({
  ...{ at, nodes: 3, cause: 'sessions', sessions: 210, expectedSessions: 230, cpu: 1.2 },
});
const experiment = { name: 'kill-sfu', summary: 'kills an SFU node', by: 'ops', startedAt: 1, endsAt: 60_001 };
const breaker = { caller: 'gateway', target: 'nd_a', state: 'open', since: 1 } as const;

type Run = (store: RedisStore) => Promise<unknown>;

const roomId = 'rm_a';
const sessionId = 'ss_mover';
const participantId = participantIdOf(sessionId);
const transport = {
  id: 't',
  iceParameters: { usernameFragment: 'u', password: 'p' },
  iceCandidates: [],
  dtlsParameters: { fingerprints: [] },
};

/** A fleet with two nodes and a room of two, of whom one has two publications. */
async function prepare(store: RedisStore): Promise<void> {
  for (const id of ['nd_a', 'nd_b']) await store.nodes.report(nodeReport(id));
  await store.rooms.create(roomRecord('a'));
  await store.sessions.gatewayAlive('gw_test');
  await joinAs(store, newcomer(roomId));
  const { member } = await joinAs(store, newcomer(roomId, sessionId));
  for (const index of [1, 2]) await store.rooms.putPublication(roomId, cameraOf(member, { id: `pub_${index}` }));
}

const retainedValue: RetainedMessage = {
  topic: 't',
  mode: 'reliable',
  publisherId: participantId,
  seqId: 1,
  frames: ['AAAA'],
};
const retaining = (store: RedisStore): Promise<void> => store.relays.retain(roomId, retainedValue);

async function migrating(store: RedisStore) {
  const { migration } = await store.migrations.begin({
    id: 'mig_1',
    roomId,
    sessionId,
    participantId,
    reason: 'manual',
    startedAt: Date.now(),
    deadline: Date.now() + 10_000,
  });
  await store.migrations.prepared(migration, {
    nodeId: migration.toNode,
    send: transport,
    recv: transport,
    subscriptions: [],
  });
  const [camera] = await store.rooms.publications(roomId, ['pub_1']);
  await store.rooms.putPublication(roomId, { ...camera!, nodeId: migration.toNode });
  return migration;
}

/** For each script that writes: what comes before, and the call that runs it. */
const cases: Partial<Record<ScriptName, { readonly before?: Run; readonly run: Run }>> = {
  createRoom: { run: (store) => store.rooms.create(roomRecord('b')) },
  deleteRoom: { before: migrating, run: (store) => store.rooms.delete(roomId) },
  join: {
    before: (store) =>
      joinAs(store, newcomer(roomId, 'ss_new')).then(() => store.rooms.leave(roomId, 'pt_new', 'left')),
    run: (store) => store.rooms.join(newcomer(roomId, 'ss_new')),
  },
  orderMembers: {
    // One member has no position, and one position no member.
    before: async () => {
      const order = `${namespaceNow}:{${roomId}}:join-order`;
      await redis.zrem(order, participantId);
      await redis.zadd(order, 7, 'pt_gone');
    },
    run: (store) => store.rooms.repair(),
  },
  leave: {
    before: async (store) => {
      await migrating(store);
      await retaining(store);
    },
    run: (store) => store.rooms.remove(roomId, participantId, { userId: 'u', seconds: 60 }),
  },
  reassign: { before: migrating, run: (store) => store.rooms.reassign(roomId, participantId, []) },
  describeMedia: {
    run: (store) => store.rooms.describeMedia(roomId, participantId, { rtpCapabilities: {}, subscribe: false }),
  },
  retain: {
    before: retaining,
    run: (store) => store.relays.retain(roomId, { ...retainedValue, userId: 'u', seqId: 2 }),
  },
  linkRelay: { run: (store) => store.rooms.linkRelay(roomId, participantId, 'rl_a') },
  putPublication: {
    run: async (store) => {
      const member = await store.rooms.member(roomId, participantId);
      await store.rooms.putPublication(roomId, cameraOf(member!, { id: 'pub_3', producerId: 'p' }));
    },
  },
  removePublication: { run: (store) => store.rooms.removePublication(roomId, participantId, 'pub_1') },
  repairRoom: {
    before: () => redis.del(`${namespaceNow}:session:${sessionId}`),
    run: (store) => store.rooms.repair(),
  },
  beginMigration: { run: migrating },
  prepareMigration: { run: migrating },
  commitMigration: { before: migrating, run: (store) => store.migrations.commit(roomId, participantId, 'mig_1') },
  rollBackMigration: {
    before: migrating,
    run: (store) => store.migrations.rollBack(roomId, participantId, 'mig_1', 'rolled_back'),
  },
  reportMigration: { before: migrating, run: (store) => store.history.report('mig_1', sessionId, { ms: 1 }) },
  openSession: {
    run: (store) =>
      store.sessions.open({ id: 'ss_x', userId: 'x', gatewayId: 'gw_test', grants: [], bridge: [], expiresAt: 1 }, 'x'),
  },
  refreshSession: {
    before: retaining,
    run: (store) => {
      const token = { id: 'jti', keptUntil: Date.now() + 60_000 };
      return store.sessions.refresh(sessionId, `hash-of-${sessionId}`, token, {
        grants: ['data'],
        bridge: [],
        expiresAt: 2,
      });
    },
  },
  sendToUser: { run: (store) => store.sessions.sendToUser('u', '{}') },
  revokeTokens: { run: (store) => store.sessions.revokeTokens('u', Math.floor(Date.now() / 1000)) },
  detachSession: { run: (store) => store.sessions.detach(sessionId, `hash-of-${sessionId}`, 60_000) },
  resumeSession: {
    before: (store) => store.sessions.detach(sessionId, `hash-of-${sessionId}`, 60_000),
    run: (store) => store.sessions.resume(`hash-of-${sessionId}`, 'next', 'gw_other'),
  },
  confirmResume: {
    before: (store) => store.sessions.resume(`hash-of-${sessionId}`, 'next', 'gw_other'),
    run: (store) => store.sessions.confirmResume(sessionId, `hash-of-${sessionId}`, 'next'),
  },
  closeSession: { before: migrating, run: (store) => store.sessions.close(sessionId, 'disconnected') },
  reattachSessions: {
    before: (store) => store.sessions.detach(sessionId, `hash-of-${sessionId}`, 60_000),
    run: (store) => store.sessions.reattach([sessionId], 'gw_test'),
  },
  detachOrphaned: { run: (store) => store.sessions.detachOrphaned(-1000, 60_000, 10) },
  gatewayAlive: { run: (store) => store.sessions.gatewayAlive('gw_new') },
  reportNode: { run: (store) => store.nodes.report(nodeReport('nd_c')) },
  removeNode: { run: (store) => store.nodes.remove('nd_b') },
  dropMigration: {
    before: async (store) => {
      await migrating(store);
      await redis.hset(`${namespaceNow}:{${roomId}}:migrations`, participantId, 'damaged');
    },
    run: (store) => store.migrations.running(10),
  },
  writeCanary: {
    before: async (store) => {
      await store.canary.write(1, canaryRecord, '');
      await store.canary.order(canaryOrder);
    },
    run: (store) => store.canary.write(1, { ...canaryRecord, candidate: 'v3' }, 'x', canaryOrder),
  },
  orderCanary: {
    before: (store) => store.canary.write(1, canaryRecord, ''),
    run: (store) => store.canary.order(canaryOrder),
  },
  removeCanary: { before: (store) => store.canary.write(1, canaryRecord, ''), run: (store) => store.canary.remove(1) },
  reportBreakers: {
    before: async (store) => {
      await store.breakers.report('other', [breaker]);
      await redis.hset(`${namespaceNow}:breakers`, 'ended', '1 []');
    },
    run: (store) => store.breakers.report('p', [breaker]),
  },
  recordScaling: {
    before: async (store) => {
      for (let at = 1; at <= keptScalings; at++) await store.operations.recordScaling(scaling(at));
    },
    run: (store) => store.operations.recordScaling(scaling(keptScalings + 1)),
  },
  announceExperiment: {
    before: async (store) => {
      await store.operations.announce({ ...experiment, name: 'other' });
      await redis.hset(`${namespaceNow}:experiments`, 'over', '1 {}');
    },
    run: (store) => store.operations.announce(experiment),
  },
  acquireLease: { run: (store) => store.leases.acquire('l', 'h', 10_000) },
};
let namespaceNow = '';

describe('a script that fails at any of its calls', () => {
  test.each(Object.keys(cases) as ScriptName[])('%s leaves the store as it was', { timeout: 60_000 }, async (name) => {
    const { before, run } = cases[name]!;
    for (let call = 1; ; call++) {
      const namespace = uniqueName('t');
      namespaceNow = namespace;
      const sound = await RedisStore.connect({ url: url(), namespace, log });
      const failing = await RedisStore.connect({ url: url(), namespace, log }, (script) =>
        script === name ? failingAt(name, call) : luaOf(script),
      );
      await prepare(sound);
      await before?.(sound);
      const unchanged = await contents(namespace);
      await run(failing).catch(() => undefined);
      const failed = await redis.getdel(`${namespace}:failed`);
      const after = await contents(namespace);
      await Promise.all([sound.close(), failing.close()]);
      if (failed === null) {
        expect(call).toBeGreaterThan(1);
        return;
      }
      // What ran before the script that fails is not its own.
      if (run !== migrating) expect(after, `call ${call}`).toEqual(unchanged);
      else
        expect(Object.keys(after).filter((key) => key.endsWith(':migrations'))).toHaveLength(
          name === 'beginMigration' ? 0 : 2,
        );
    }
  });
});

describe('scripts', () => {
  const opened: RedisStore[] = [];
  const openStore = async (namespace = uniqueName('t')) => {
    const store = await RedisStore.connect({ url: url(), namespace, log });
    opened.push(store);
    return { store, namespace };
  };
  afterAll(() => Promise.all(opened.map((store) => store.close())));

  test('every script that writes is tried with failures', () => {
    const writing = Object.entries(scripts).filter(([, { lua }]) => lua.includes('commit()'));
    // A relay's report is that of a node with other keys; a negotiation is one write and one event; a page and a bridge are only read.
    const without = new Set(['reportRelay', 'removeRelay', 'putPair', 'roomPage', 'requireBridge']);
    expect(
      writing
        .map(([name]) => name)
        .filter((name) => !without.has(name))
        .toSorted(),
    ).toEqual(Object.keys(cases).toSorted());
  });

  test('a member with 9,000 publications leaves with all of them', { timeout: 60_000 }, async () => {
    const { store, namespace } = await openStore();
    await prepare(store);
    const ids = Array.from({ length: 9000 }, (_, index) => `pub_old${index}`);
    await redis.sadd(`${namespace}:{${roomId}}:publications:${participantId}`, ...ids);
    await redis.hset(`${namespace}:{${roomId}}:publications`, Object.fromEntries(ids.map((id) => [id, 'nd_a {}'])));
    expect(await store.rooms.leave(roomId, participantId, 'left')).toBe(true);
    expect(await redis.exists(`${namespace}:{${roomId}}:publications`)).toBe(0);
    expect(await redis.exists(`${namespace}:{${roomId}}:publications:${participantId}`)).toBe(0);
    expect(await store.rooms.state(roomId)).toMatchObject({ members: [{}] });
  });

  test(
    'a room of 1,200 is deleted in several runs, and one that was interrupted is finished',
    { timeout: 60_000 },
    async () => {
      const { store, namespace } = await openStore();
      await store.nodes.report(nodeReport('nd_a', { capacity: 5000 }));
      await store.rooms.create(roomRecord('a', { maxParticipants: 2000 }));
      for (let index = 0; index < 1200; index++) {
        if (index % 10 === 0) await store.nodes.report(nodeReport('nd_a', { capacity: 5000 }));
        await joinAs(store, { ...newcomer(roomId), userId: `u${index % 10}` });
      }
      await redis.eval(luaOf('deleteRoom'), 1, namespace, roomId, '{}', 60, 500, '');
      expect(await store.rooms.state(roomId)).toBeUndefined();
      await expect(joinAs(store, newcomer(roomId))).rejects.toMatchObject({ code: 'ROOM_NOT_FOUND' });
      expect(await store.nodes.list()).toMatchObject([{ reserved: 700 }]);
      expect(await store.rooms.deleteExpired()).toEqual({ deleted: [roomId], failed: [] });
      expect(await store.nodes.list()).toMatchObject([{ reserved: 0 }]);
      expect(await redis.keys(`${namespace}:{${roomId}}:*`)).toEqual([`${namespace}:{${roomId}}:events`]);
      expect(await redis.ttl(`${namespace}:{${roomId}}:events`)).toBeGreaterThan(0);
    },
  );

  test('a room that is created again during its deletion and is never deleted when empty stays', async () => {
    const { store, namespace } = await openStore();
    await prepare(store);
    await redis.eval(luaOf('deleteRoom'), 1, namespace, roomId, '{}', 60, 1, '');
    await store.sessions.close(sessionId, 'left');
    for (const member of await redis.hkeys(`${namespace}:{${roomId}}:members`))
      await store.rooms.leave(roomId, member, 'left');
    await store.rooms.create(roomRecord('a', { emptyTimeoutSeconds: 0 }));
    expect(await store.rooms.deleteExpired()).toEqual({ deleted: [], failed: [] });
    expect(await store.rooms.get(roomId)).toMatchObject({ id: roomId });
  });

  test('the repair pass removes members whose session does not exist, and restores entries of sessions', async () => {
    const { store, namespace } = await openStore();
    await prepare(store);
    await redis.del(`${namespace}:session:${sessionId}`);
    const { members } = (await store.rooms.state(roomId))!;
    const other = members.find(({ id }) => id !== participantId)!;
    await redis.srem(`${namespace}:session:${other.sessionId}:rooms`, roomId);
    expect(await store.rooms.repair()).toEqual({ removed: 1, failed: [], next: undefined });
    expect(brokenInvariants(await takeInventory(store))).toEqual([]);
    expect(await store.rooms.state(roomId)).toMatchObject({ members: [{ id: other.id }], publications: [] });
    expect(await store.rooms.repair()).toEqual({ removed: 0, failed: [], next: undefined });
  });

  test('records that this version cannot read do not hide others', async () => {
    const { store, namespace } = await openStore();
    await prepare(store);
    await redis.hset(`${namespace}:nodes`, 'nd_next', '{"id":"nd_next","state":"hibernating"}');
    await redis.hset(`${namespace}:{${roomId}}:members`, 'pt_next', 'nd_a - {"shape":"of the next version"}');
    expect((await store.nodes.list()).map(({ id }) => id).toSorted()).toEqual(['nd_a', 'nd_b']);
    expect((await store.rooms.state(roomId))?.members).toHaveLength(2);
  });

  test('after all members have left and their rooms are deleted, only expiring keys and bounded history remain', async () => {
    const { store, namespace } = await openStore();
    await prepare(store);
    await migrating(store);
    await store.relays.retain(roomId, { publisherId: participantId, topic: 't' } as never);
    await store.sessions.sendToUser('u', '{}');
    const { members } = (await store.rooms.state(roomId))!;
    for (const member of members) await store.sessions.close(member.sessionId, 'left');
    await store.rooms.delete(roomId);
    await store.sessions.detachOrphaned(-1000, 1000, 10);
    for (const id of ['nd_a', 'nd_b']) await store.nodes.remove(id);
    const expiring: string[] = [];
    const kept: string[] = [];
    for (const key of await redis.keys(`${namespace}:*`)) ((await redis.ttl(key)) > 0 ? expiring : kept).push(key);
    expect(expiring.map((key) => key.slice(namespace.length + 1)).toSorted()).toEqual(
      ['gateway:gw_test', `{${roomId}}:events`, 'user:u:inbox'].toSorted(),
    );
    // Of the whole fleet, and bounded: the last migrations and the nodes' statistics.
    expect(kept.map((key) => key.slice(namespace.length + 1)).toSorted()).toEqual(
      ['migrations:history', 'migrations:history:order', 'sfu:stats'].toSorted(),
    );
  });

  test('reassigning chooses the preferred node while it has capacity', async () => {
    const { store } = await openStore();
    await prepare(store);
    await store.nodes.report(nodeReport('nd_full', { capacity: 1 }));
    const { member } = await joinAs(store, newcomer(roomId, newId('session'), ['nd_a', 'nd_b']));
    expect(member.nodeId).toBe('nd_full');
    const request = { id: newId('migration'), roomId, sessionId, participantId, startedAt: Date.now(), lostAfterMs: 0 };
    expect(await store.migrations.reassignLost({ ...request, toNode: 'nd_full' })).not.toMatchObject({
      toNode: 'nd_full',
    });
  });
});
