import { participantIdOf, publicParticipant, publicPublication } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import {
  cameraOf,
  joinAs,
  newcomer,
  nodeReport,
  notYet,
  roomRecord,
  testBrokers,
  uniqueName,
  waitFor,
} from '@flotilla/testkit';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  firstPageLimits,
  maxPublications,
  nextPageLimits,
  RedisStore,
  type RoomPage,
  type Store,
} from '../src/index.ts';
import { adapters } from './adapters.ts';

const roomId = 'rm_a';

async function createRoom(store: Store): Promise<void> {
  await store.nodes.report(nodeReport('nd_a', { capacity: 10_000 }));
  await store.rooms.create(roomRecord('a', { maxParticipants: 10_000 }));
}

/** Adds members, whose ids are numbered. */
async function fill(store: Store, from: number, to: number): Promise<void> {
  const batch = 100;
  for (let index = from; index < to; index += batch) {
    await store.nodes.report(nodeReport('nd_a', { capacity: 10_000 }));
    const names = Array.from({ length: Math.min(batch, to - index) }, (_, more) => `ss_${index + more}`);
    await Promise.all(names.map((id) => joinAs(store, { ...newcomer(roomId, id), userId: id })));
  }
}

/** All pages of a room, the first one that of a participant. */
async function allPages(store: Store, participantId: string): Promise<RoomPage[]> {
  const pages: RoomPage[] = [(await store.rooms.firstPage(roomId, participantId))!];
  for (;;) {
    const { next } = pages.at(-1)!;
    if (next === undefined) return pages;
    pages.push((await store.rooms.nextPage(roomId, next))!);
  }
}

const idsOf = (pages: readonly RoomPage[]): string[] => pages.flatMap(({ members }) => members.map(({ id }) => id));

/** The bytes that a page is for a client. */
const bytesOf = ({ members, publications }: RoomPage): number =>
  Buffer.byteLength(JSON.stringify([members.map(publicParticipant), publications.map(publicPublication)]));

describe.each(adapters)('pages of a room in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ store, close } = await open());
    await createRoom(store);
  });
  afterEach(() => close());

  test('a small room is one page, the participant itself last', async () => {
    for (const name of ['ada', 'bob', 'cy']) {
      const { member } = await joinAs(store, newcomer(roomId, `ss_${name}`));
      await store.rooms.putPublication(roomId, cameraOf(member, { id: `pub_${name}`, producerId: name }));
    }
    const joined = await joinAs(store, newcomer(roomId, 'ss_dan'));
    expect(joined.members.map(({ id }) => id)).toEqual(['pt_ada', 'pt_bob', 'pt_cy', 'pt_dan']);
    expect(joined.publications.map(({ id }) => id)).toEqual(['pub_ada', 'pub_bob', 'pub_cy']);
    expect(joined.next).toBeUndefined();
    const { member: _member, ...page } = joined;
    expect(await store.rooms.firstPage(roomId, 'pt_dan')).toEqual({ ...page, migration: undefined });
    const ofBob = (await store.rooms.firstPage(roomId, 'pt_bob'))!;
    expect(ofBob.members.map(({ id }) => id)).toEqual(['pt_ada', 'pt_cy', 'pt_dan', 'pt_bob']);
    expect(await store.rooms.firstPage('rm_none', 'pt_bob')).toBeUndefined();
    expect(await store.rooms.nextPage('rm_none', '0')).toBeUndefined();
  });

  test('the pages of a large room have each member once, in the order of the joins, and stay within their limits', async () => {
    await fill(store, 0, 400);
    const joined = await joinAs(store, newcomer(roomId, 'ss_last'));
    expect(joined.members.length).toBeLessThanOrEqual(firstPageLimits.members);
    expect(joined.members.at(-1)?.id).toBe('pt_last');
    expect(bytesOf(joined)).toBeLessThan(firstPageLimits.bytes);
    const pages = await allPages(store, 'pt_399');
    for (const page of pages.slice(1)) {
      expect(page.members.length).toBeLessThanOrEqual(nextPageLimits.members);
      expect(bytesOf(page)).toBeLessThan(nextPageLimits.bytes);
    }
    const { members } = (await store.rooms.state(roomId))!;
    const all = idsOf(pages);
    // The participant of the first page is in its place on a later one, too.
    expect(all.toSorted()).toEqual([...members.map(({ id }) => id), 'pt_399'].toSorted());
    // They joined in batches of a hundred.
    const own = pages[0]!.members.length - 1;
    const batches = all
      .toSpliced(own, 1)
      .filter((id) => id !== 'pt_last')
      .map((id) => Math.floor(Number(id.slice(3)) / 100));
    expect(batches).toEqual(batches.toSorted((one, other) => one - other));
  });

  test('members with large publications make smaller pages, each with all publications of its members', async () => {
    const label = '\u0001'.repeat(128);
    const count = 6;
    for (let index = 0; index < count; index++) {
      const { member } = await joinAs(store, newcomer(roomId, `ss_${index}`));
      for (let each = 0; each < maxPublications; each++)
        await store.rooms.putPublication(roomId, cameraOf(member, { label, producerId: `${index} ${each}` }));
    }
    const pages = await allPages(store, 'pt_none');
    expect(pages.length).toBeGreaterThan(count / 2);
    expect(idsOf(pages)).toEqual(Array.from({ length: count }, (_, index) => `pt_${index}`));
    for (const page of pages) {
      expect(page.publications).toHaveLength(page.members.length * maxPublications);
      expect(bytesOf(page)).toBeLessThan(nextPageLimits.bytes);
    }
  });

  test('who is there throughout is on a page, whoever joins, leaves and joins again meanwhile', async () => {
    await fill(store, 0, 300);
    const { next } = (await store.rooms.firstPage(roomId, 'pt_none'))!;
    const seen = new Set(idsOf([(await store.rooms.firstPage(roomId, 'pt_none'))!]));
    let cursor = next;
    for (let round = 0; cursor !== undefined; round++) {
      // Of every ten, one leaves and joins again, and one leaves.
      for (let index = round; index < 300; index += 10) {
        await store.rooms.leave(roomId, `pt_${index}`, 'left');
        if (index % 20 < 10) await store.rooms.join(newcomer(roomId, `ss_${index}`));
      }
      const page: RoomPage = (await store.rooms.nextPage(roomId, cursor))!;
      for (const id of idsOf([page])) seen.add(id);
      cursor = page.next;
      expect(round).toBeLessThan(10);
    }
    const there = idsOf([(await store.rooms.state(roomId)) as unknown as RoomPage]);
    const throughout = there.filter((id) => Number(id.slice(3)) % 10 >= 5);
    expect(throughout.filter((id) => !seen.has(id))).toEqual([]);
    // What joined again is at the end.
    expect(there.filter((id) => !seen.has(id))).toEqual([]);
  });
});

describe('pages of a room in Redis', () => {
  let redis: Redis;
  let store: RedisStore;
  let namespace: string;
  const key = (name: string): string => `${namespace}:{rm_a}:${name}`;
  beforeEach(async () => {
    namespace = uniqueName('t');
    const url = testBrokers().redisUrl;
    redis = new Redis(url);
    store = await RedisStore.connect({ url, namespace, log: createLogger({ service: 'test', level: 'fatal' }) });
    await createRoom(store);
  });
  afterEach(async () => {
    await store.close();
    redis.disconnect();
  });

  /** Commands on keys of the store that run during `work`, those of scripts included, with the number of their arguments. */
  async function commandsOf(work: () => Promise<unknown>): Promise<string[]> {
    const monitor = await redis.duplicate().monitor();
    const seen: string[][] = [];
    monitor.on('monitor', (_time: string, args: string[]) => void seen.push(args));
    try {
      await work();
      const marker = uniqueName('marker');
      await redis.get(marker);
      await waitFor('the marker', () => seen.some((args) => args[1] === marker) || notYet('it is not seen'));
    } finally {
      monitor.disconnect();
    }
    const own = seen.filter((args) => args[1]?.startsWith(`${namespace}:`));
    return own.map(([name, first, ...more]) => {
      const ofStore = first!.slice(namespace.length + 1).replace(/[a-z]{2}_\w+|hash-of-\w+/g, 'ID');
      return `${name!.toUpperCase()} ${ofStore} ${name!.toUpperCase() === 'HMGET' ? more.length : ''}`.trim();
    });
  }

  test('a join in a room of 3,000 has as many commands and reads as many members as one in a room of 300, and its page is below 14 KiB', async () => {
    let page: RoomPage;
    const commandsOfJoin = async (sessionId: string): Promise<string[]> => {
      await store.nodes.report(nodeReport('nd_a', { capacity: 10_000 }));
      const commands = await commandsOf(async () => (page = await joinAs(store, newcomer(roomId, sessionId))));
      return commands.toSorted();
    };
    await fill(store, 0, 300);
    const small = await commandsOfJoin('ss_small');
    await fill(store, 300, 3000);
    const large = await commandsOfJoin('ss_large');
    expect(large).toEqual(small);
    expect(large).toContain('ZRANGEBYSCORE {ID}:join-order');
    expect(
      large.filter((command) => /^(HVALS|HGETALL|HKEYS|HSCAN|SMEMBERS \{ID\}:(?!publications:ID))/.test(command)),
    ).toEqual([]);
    expect(large.filter((command) => command.startsWith('SMEMBERS')).length).toBeLessThanOrEqual(
      firstPageLimits.members + 1,
    );
    expect(bytesOf(page!)).toBeLessThan(firstPageLimits.bytes);
    expect(idsOf(await allPages(store, 'pt_none'))).toHaveLength(3002);
  }, 60_000);

  test('members that an earlier version added or removed are brought into the order by the next join and by reading a page', async () => {
    await fill(store, 0, 250);
    for (const read of [
      async () => idsOf([await store.rooms.join(newcomer(roomId, 'ss_0'))]),
      async () => idsOf([(await store.rooms.nextPage(roomId, '0'))!]),
    ]) {
      // That version wrote no order, and removed members without their position.
      await redis.del(key('join-order'));
      await redis.zadd(key('join-order'), 1, 'pt_gone1', 2, 'pt_gone2');
      await read();
      const pages = await allPages(store, 'pt_none');
      expect(idsOf(pages)).toHaveLength(250);
      expect(await redis.zcard(key('join-order'))).toBe(250);
    }
  });

  test('the repair pass replaces positions of members that left by those of as many that joined', async () => {
    await fill(store, 0, 10);
    await redis.zrem(key('join-order'), 'pt_3');
    await redis.zadd(key('join-order'), 3, 'pt_gone');
    await store.rooms.repair();
    expect(idsOf(await allPages(store, 'pt_none')).toSorted()).toEqual(
      Array.from({ length: 10 }, (_, index) => participantIdOf(`ss_${index}`)).toSorted(),
    );
    expect(await redis.zscore(key('join-order'), 'pt_gone')).toBeNull();
  });

  test('a room that everybody left keeps no order', async () => {
    await fill(store, 0, 3);
    for (const index of [0, 1, 2]) await store.rooms.leave(roomId, `pt_${index}`, 'left');
    expect(await redis.exists(key('join-order'))).toBe(0);
  });
});
