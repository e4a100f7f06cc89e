import { RedisLink } from '@flotilla/bus';
import { type Canary, newId, type NodeReport } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { joinAs, newcomer, nodeReport, roomRecord, testBrokers, uniqueName } from '@flotilla/testkit';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  chooseNode,
  nodeTimeoutMs,
  onDrawnSide,
  RedisStore,
  rulesOf,
  type Side,
  sideOf,
  unplaceableLoad,
} from '../src/index.ts';
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
const candidates = (): Promise<string[]> => redis.zrange(key('nodes:by-load:candidate'), '0', '-1', 'WITHSCORES');
const canary: Canary = {
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
const redisNow = async (): Promise<number> => Number((await redis.time())[0]) * 1000;

/** A heartbeat as versions before the index write it. */
async function oldHeartbeat({ id, state, capacity, load }: NodeReport): Promise<void> {
  await redis.hset(key('nodes'), id, '{}');
  // It does not count as dead before this test ends.
  await redis.zadd(key('nodes:beats'), (await redisNow()) + 60_000, id);
  await redis.hset(key('nodes:slots'), id, `${state} ${capacity} ${load.cpu}`);
}

/** Runs the choice of the placement script in the room rm_p. */
function choose(
  spread: boolean,
  excluded: readonly string[],
  random: readonly [number, number],
  draw = 0,
): Promise<unknown> {
  const lua = `${luaOf('join').split('local current_hash,')[0]}
    return choose_node({ room = 'rm_p', spread = ARGV[1] == '1', exclude = set_of(ARGV[4]), random1 = tonumber(ARGV[2]), random2 = tonumber(ARGV[3]), draw = tonumber(ARGV[5]) }) or ''`;
  return redis.eval(lua, 1, namespace, spread ? '1' : '0', ...random, JSON.stringify(excluded), draw);
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
  state: fc.constantFrom('active', 'active', 'candidate', 'draining'),
  alive: fc.boolean(),
});
const fleets = fc.uniqueArray(node, { selector: ({ id }) => id, maxLength: 14 });
type Fleet = typeof fleets extends fc.Arbitrary<infer Value> ? Value : never;

/** Writes a fleet without its index, and the share of the candidate. */
async function write(fleet: Fleet, share: number): Promise<void> {
  const keys = ['nodes:beats', 'nodes:slots', 'nodes:reserved', '{rm_p}:assignments'];
  const now = await redisNow();
  const pipeline = redis.pipeline().del(...keys.map(key));
  if (share > 0) pipeline.hset(key('canary'), 'share', share);
  else pipeline.del(key('canary'));
  for (const { id, capacity, reserved, cpu, hosting, state, alive } of fleet) {
    pipeline.zadd(key('nodes:beats'), alive ? now + 60_000 : now - nodeTimeoutMs - 1000, id);
    pipeline.hset(key('nodes:slots'), id, `${state} ${capacity} ${cpu}`);
    if (reserved > 0) pipeline.hset(key('nodes:reserved'), id, reserved);
    if (hosting) pipeline.hset(key('{rm_p}:assignments'), id, 1);
  }
  await pipeline.exec();
}

const takesSomebody = ({ excluded, state, alive, reserved, capacity }: Fleet[number]): boolean =>
  !excluded && state !== 'draining' && alive && reserved < capacity;
const sideOfState = (state: Fleet[number]['state']): Side => (state === 'candidate' ? 'candidate' : 'stable');
const excludedOf = (fleet: Fleet): string[] => fleet.filter(({ excluded }) => excluded).map(({ id }) => id);

describe('the placement script', () => {
  test('chooses the same node as chooseNode', { timeout: 60_000 }, async () => {
    const shares = fc.constantFrom(0, 0.5, 1);
    await fc.assert(
      fc.asyncProperty(
        ...([fleets, shares, fc.boolean(), random, random, random] as const),
        async (fleet, share, spread, first, second, draw) => {
          await write(fleet, share);
          await store.nodes.repair();
          const free = fleet.filter(takesSomebody).map(({ hosting, state, ...each }) => {
            return { ...each, preferred: hosting !== spread, side: sideOfState(state) };
          });
          const expected = chooseNode(onDrawnSide(free, share, draw), [first, second]);
          expect(await choose(spread, excludedOf(fleet), [first, second], draw)).toBe(expected ?? '');
        },
      ),
      { numRuns: 400 },
    );
  });

  test(
    'chooses a node of the drawn side that takes somebody, whatever the index says',
    { timeout: 60_000 },
    async () => {
      const loads = fc.constantFrom(0, 0.5, unplaceableLoad);
      const ids = fc.integer({ min: 10, max: 60 }).map((number) => `nd_${number}`);
      const entries = fc.dictionary(ids, loads, { maxKeys: 14 });
      await fc.assert(
        fc.asyncProperty(
          ...([fleets, entries, loads, fc.boolean(), random, random, random] as const),
          async (fleet, wrong, load, spread, first, second, draw) => {
            await write(fleet, 0.5);
            await redis.del(key('nodes:by-load'), key('nodes:by-load:candidate'));
            const known = fleet.flatMap(({ id }) => (id in wrong ? [wrong[id]!, id] : []));
            if (known.length > 0) await redis.zadd(key('nodes:by-load'), ...known);
            // Every version that has candidates adds them.
            const added = fleet.flatMap(({ id, state }) =>
              id in wrong || state === 'candidate' ? [wrong[id] ?? load, id] : [],
            );
            if (added.length > 0) await redis.zadd(key('nodes:by-load:candidate'), ...added);
            const free = fleet.filter(takesSomebody).map((each) => ({ ...each, side: sideOfState(each.state) }));
            const chosen = await choose(spread, excludedOf(fleet), [first, second], draw);
            if (free.length === 0) expect(chosen).toBe('');
            else expect(onDrawnSide(free, 0.5, draw).map(({ id }) => id)).toContain(chosen);
          },
        ),
        { numRuns: 200 },
      );
    },
  );

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

  test('has the candidates of the canary apart, and moves a node whose side changes', async () => {
    await store.rooms.create(roomRecord('a'));
    const report = (revision: string): Promise<unknown> =>
      store.nodes.report(nodeReport('nd_a', { revision, capacity: 2 }));
    await report('v2');
    expect(await candidates()).toEqual([]);
    await store.canary.write(1, canary, '');
    await report('v2');
    expect(await index()).toEqual(['nd_a', String(unplaceableLoad)]);
    expect(await candidates()).toEqual(['nd_a', '0']);
    for (const load of ['0.5', String(unplaceableLoad)]) {
      await joinAs(store, newcomer(roomId, newId('session')));
      expect(await candidates()).toEqual(['nd_a', load]);
    }
    await store.rooms.delete(roomId);
    expect(await candidates()).toEqual(['nd_a', '0']);
    await redis.zadd(key('nodes:beats'), (await redisNow()) - nodeTimeoutMs - 1000, 'nd_a');
    await store.nodes.report(nodeReport('nd_b', { revision: 'v1' }));
    expect(await candidates()).toEqual(['nd_a', String(unplaceableLoad)]);
    await store.canary.write(1, { ...canary, stable: 'v2' }, '');
    await report('v2');
    expect(await index()).toEqual(['nd_a', '0', 'nd_b', '0']);
    expect(await candidates()).toEqual([]);
    await store.canary.write(1, canary, '');
    await report('v2');
    await store.nodes.remove('nd_a');
    expect(await candidates()).toEqual([]);
  });

  test('has each node on the side of its version', async () => {
    for (const record of [canary, undefined]) {
      if (record) await store.canary.write(1, record, '');
      else await store.canary.remove(1);
      for (const revision of ['v0', 'v1', 'v2', 'v3', 'v4']) {
        await store.nodes.report(nodeReport('nd_a', { revision }));
        const side = sideOf(record && rulesOf(record), revision);
        const expected = [await index(), await candidates()].map(([, load]) => load === '0');
        expect([side === 'stable', side === 'candidate'], revision).toEqual(expected);
      }
    }
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
    await redis.zadd(key('nodes:by-load:candidate'), 0.1, 'nd_removed', 0.2, 'nd_1005');
    await redis.hset(key('nodes:slots'), 'nd_1004', 'candidate 10 0.25');
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
    // All nodes, and one that does not exist; of the candidates these two and one that is none.
    expect(repaired).toBe(ids.length + 1 + 3);
    expect(await candidates()).toEqual(['nd_1004', '0.25']);
    const entries = await index();
    expect(entries).toHaveLength(2 * ids.length);
    expect(entries.slice(-8).filter((_, place) => place % 2 === 0)).toEqual([
      'nd_1001',
      'nd_1002',
      'nd_1003',
      'nd_1004',
    ]);
    expect(entries.slice(-7).filter((_, place) => place % 2 === 0)).toEqual(Array<string>(4).fill('1000'));
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
