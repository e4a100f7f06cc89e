import { RedisLink } from '@flotilla/bus';
import { newId, type NodeReport } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { joinAs, newcomer, nodeReport, roomRecord, testBrokers, uniqueName } from '@flotilla/testkit';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { chooseNode, nodeTimeoutMs, RedisStore, unplaceableLoad } from '../src/index.ts';
import { luaOf } from '../src/redis/script-client.ts';

const log = createLogger({ service: 'test', level: 'error' });
const url = () => testBrokers().redisUrl;
const roomId = 'rm_a';

let redis: Redis;
beforeAll(async () => {
  redis = new RedisLink({ url: url() }, log, 'test').redis;
  await redis.connect();
});
afterAll(() => redis.disconnect());

let namespace: string;
let store: RedisStore;
beforeEach(async () => {
  namespace = uniqueName('t');
  store = await RedisStore.connect({ url: url(), namespace, log });
});
afterEach(() => store.close());

const key = (name: string): string => `${namespace}:${name}`;
const index = (): Promise<string[]> => redis.zrange(key('nodes:by-load'), '0', '-1', 'WITHSCORES');
const redisNow = async (): Promise<number> => Number((await redis.time())[0]) * 1000;

/** A heartbeat as versions before the index write it. */
async function oldHeartbeat({ id, state, capacity, load }: NodeReport): Promise<void> {
  await redis.hset(key('nodes'), id, '{}');
  // It does not count as dead before this test ends.
  await redis.zadd(key('nodes:beats'), (await redisNow()) + 60_000, id);
  await redis.hset(key('nodes:slots'), id, `${state} ${capacity} ${load.cpu}`);
}

/** Runs the choice of the placement script in the room rm_p. */
function choose(spread: boolean, excluded: readonly string[], random: readonly [number, number]): Promise<unknown> {
  const lua = `${luaOf('join').split('local current_hash,')[0]}
    return choose_node({ room = 'rm_p', spread = ARGV[1] == '1', exclude = set_of(ARGV[4]), random1 = tonumber(ARGV[2]), random2 = tonumber(ARGV[3]) }) or ''`;
  return redis.eval(lua, 1, namespace, spread ? '1' : '0', ...random, JSON.stringify(excluded));
}

const random = fc.double({ min: 0, max: 0.999999, noNaN: true });
const node = fc.record({
  id: fc.integer({ min: 10, max: 60 }).map((number) => `nd_${number}`),
  capacity: fc.integer({ min: 1, max: 9 }),
  reserved: fc.integer({ min: 0, max: 10 }),
  // Equal loads are ordered by id.
  cpu: fc.oneof(fc.constantFrom(0, 0.5, 0.8), fc.double({ min: 0, max: 1, noNaN: true })),
  hosting: fc.boolean(),
  excluded: fc.boolean(),
  active: fc.boolean(),
  alive: fc.boolean(),
});
const fleets = fc.uniqueArray(node, { selector: ({ id }) => id, maxLength: 14 });
type Fleet = typeof fleets extends fc.Arbitrary<infer Value> ? Value : never;

/** Writes a fleet as versions before the index do. */
async function write(fleet: Fleet): Promise<void> {
  const keys = ['nodes:beats', 'nodes:slots', 'nodes:reserved', '{rm_p}:assignments'];
  const now = await redisNow();
  const pipeline = redis.pipeline().del(...keys.map(key));
  for (const { id, capacity, reserved, cpu, hosting, active, alive } of fleet) {
    pipeline.zadd(key('nodes:beats'), alive ? now + 60_000 : now - nodeTimeoutMs - 1000, id);
    pipeline.hset(key('nodes:slots'), id, `${active ? 'active' : 'draining'} ${capacity} ${cpu}`);
    if (reserved > 0) pipeline.hset(key('nodes:reserved'), id, reserved);
    if (hosting) pipeline.hset(key('{rm_p}:assignments'), id, 1);
  }
  await pipeline.exec();
}

const takesSomebody = ({ excluded, active, alive, reserved, capacity }: Fleet[number]): boolean =>
  !excluded && active && alive && reserved < capacity;
const excludedOf = (fleet: Fleet): string[] => fleet.filter(({ excluded }) => excluded).map(({ id }) => id);

describe('the placement script', () => {
  test('chooses the same node as chooseNode', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fleets, fc.boolean(), random, random, async (fleet, spread, first, second) => {
        await write(fleet);
        await store.nodes.repair();
        const expected = chooseNode(
          fleet.filter(takesSomebody).map(({ hosting, ...each }) => ({ ...each, preferred: hosting !== spread })),
          [first, second],
        );
        expect(await choose(spread, excludedOf(fleet), [first, second])).toBe(expected ?? '');
      }),
      { numRuns: 300 },
    );
  });

  test('chooses a node that takes somebody, whatever the index says', { timeout: 60_000 }, async () => {
    const entries = fc.dictionary(
      fc.integer({ min: 10, max: 60 }).map((number) => `nd_${number}`),
      fc.constantFrom(0, 0.5, unplaceableLoad),
      { maxKeys: 14 },
    );
    await fc.assert(
      fc.asyncProperty(fleets, entries, fc.boolean(), random, random, async (fleet, wrong, spread, first, second) => {
        await write(fleet);
        await redis.del(key('nodes:by-load'));
        const known = fleet.flatMap(({ id }) => (id in wrong ? [wrong[id]!, id] : []));
        if (known.length > 0) await redis.zadd(key('nodes:by-load'), ...known);
        const free = fleet.filter(takesSomebody).map(({ id }) => id);
        const chosen = await choose(spread, excludedOf(fleet), [first, second]);
        if (free.length === 0) expect(chosen).toBe('');
        else expect(free).toContain(chosen);
      }),
      { numRuns: 200 },
    );
  });

  test('compares as many hosts of a room as there are up to 64, and then chooses among some of them', async () => {
    const ids = Array.from({ length: 200 }, (_, number) => `nd_${number}`);
    await Promise.all(ids.map((id) => oldHeartbeat(nodeReport(id, { load: { cpu: 0.5 } }))));
    await redis.hset(key('{rm_p}:assignments'), Object.fromEntries(ids.slice(100).map((id) => [id, 1])));
    for (let run = 0; run < 10; run++) expect(ids.slice(100)).toContain(await choose(false, [], [0.3, 0.6]));
    for (let run = 0; run < 10; run++) expect(ids.slice(0, 100)).toContain(await choose(true, [], [0.3, 0.6]));
  });
});

describe('the index of the nodes', () => {
  test('has each node with its load, and those that take nobody last', async () => {
    await store.rooms.create(roomRecord('a'));
    for (const id of ['nd_a', 'nd_b']) await store.nodes.report(nodeReport(id, { capacity: 2, load: { cpu: 0.25 } }));
    await store.nodes.report(nodeReport('nd_c', { state: 'draining' }));
    expect(await index()).toEqual(['nd_a', '0.25', 'nd_b', '0.25', 'nd_c', String(unplaceableLoad)]);
    const { member } = await joinAs(store, newcomer(roomId, newId('session'), ['nd_a']));
    expect(await index()).toEqual(['nd_a', '0.25', 'nd_b', '0.5', 'nd_c', String(unplaceableLoad)]);
    await joinAs(store, newcomer(roomId, newId('session'), ['nd_a']));
    expect(await index()).toEqual(['nd_a', '0.25', 'nd_b', String(unplaceableLoad), 'nd_c', String(unplaceableLoad)]);
    await store.rooms.leave(roomId, member.id, 'left');
    expect(await index()).toEqual(['nd_a', '0.25', 'nd_b', '0.5', 'nd_c', String(unplaceableLoad)]);
    await store.nodes.remove('nd_c');
    await store.rooms.delete(roomId);
    expect(await index()).toEqual(['nd_a', '0.25', 'nd_b', '0.25']);
  });

  test('marks a dead node with the next heartbeat of another, and counts it again with its own', async () => {
    await store.nodes.report(nodeReport('nd_a'));
    await redis.zadd(key('nodes:beats'), (await redisNow()) - nodeTimeoutMs - 1000, 'nd_a');
    await store.nodes.report(nodeReport('nd_b'));
    expect(await index()).toEqual(['nd_b', '0', 'nd_a', String(unplaceableLoad)]);
    await store.nodes.report(nodeReport('nd_a'));
    expect(await index()).toEqual(['nd_a', '0', 'nd_b', '0']);
  });

  test('gets the nodes of an earlier version, which does not write it, with the next join', async () => {
    await store.rooms.create(roomRecord('a'));
    await store.nodes.report(nodeReport('nd_full', { load: { cpu: 0.75 } }));
    await oldHeartbeat(nodeReport('nd_old', { capacity: 2 }));
    expect((await joinAs(store, newcomer(roomId))).member.nodeId).toBe('nd_old');
    expect(await index()).toEqual(['nd_old', '0.5', 'nd_full', '0.75']);
    // Its next heartbeat says that it drains.
    await oldHeartbeat(nodeReport('nd_old', { state: 'draining' }));
    expect((await joinAs(store, newcomer(roomId))).member.nodeId).toBe('nd_full');
    // The earlier version releases capacity of a node that was full.
    await store.nodes.report(nodeReport('nd_full', { capacity: 1 }));
    await redis.hdel(key('nodes:reserved'), 'nd_full');
    expect((await joinAs(store, newcomer(roomId))).member.nodeId).toBe('nd_full');
  });

  test('places members of a fleet of which every node is of an earlier version', async () => {
    await store.rooms.create(roomRecord('a', { maxParticipants: 2000 }));
    const ids = Array.from({ length: 900 }, (_, number) => `nd_${number}`);
    await Promise.all(ids.map((id) => oldHeartbeat(nodeReport(id, { capacity: 1 }))));
    const joined = await Promise.all(ids.slice(0, 600).map((userId) => joinAs(store, { ...newcomer(roomId), userId })));
    expect(new Set(joined.map(({ member }) => member.nodeId)).size).toBe(600);
  });

  test('is corrected page by page by the repair pass, which one bad record does not stop', async () => {
    const ids = Array.from({ length: 700 }, (_, number) => `nd_${1000 + number}`);
    await Promise.all(ids.map((id) => oldHeartbeat(nodeReport(id))));
    await redis.zadd(key('nodes:by-load'), 0.1, 'nd_removed', 0.2, 'nd_1000');
    await redis.hset(key('nodes:slots'), 'nd_1001', 'damaged');
    await redis.hset(key('nodes:reserved'), 'nd_1002', 'damaged');
    await redis.hset(key('nodes:slots'), 'nd_1003', 'active nan 0');
    let next: number | undefined = 0;
    let repaired = 0;
    while (next !== undefined) {
      const page = await store.nodes.repair(next);
      repaired += page.repaired;
      next = page.next;
    }
    // All nodes, and one that does not exist.
    expect(repaired).toBe(ids.length + 1);
    const entries = await index();
    expect(entries).toHaveLength(2 * ids.length);
    expect(entries.slice(-6)).toEqual(['nd_1001', '1000', 'nd_1002', '1000', 'nd_1003', '1000']);
    expect(await store.nodes.repair()).toMatchObject({ repaired: 0 });
  });

  test('refuses a join of a full fleet, after a bounded number of nodes', async () => {
    await store.rooms.create(roomRecord('a'));
    const ids = Array.from({ length: 50 }, (_, number) => `nd_${number}`);
    await Promise.all(ids.map((id) => store.nodes.report(nodeReport(id, { state: 'draining' }))));
    await expect(joinAs(store, newcomer(roomId))).rejects.toMatchObject({ code: 'NO_CAPACITY' });
    await store.nodes.report(nodeReport('nd_50'));
    expect((await joinAs(store, newcomer(roomId))).member.nodeId).toBe('nd_50');
  });
});
