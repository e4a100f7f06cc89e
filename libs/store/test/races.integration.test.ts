import { RedisLink } from '@flotilla/bus';
import { newId } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import {
  joinAs,
  newcomer,
  nodeReport,
  notYet,
  participantClaims,
  roomRecord,
  testBrokers,
  uniqueName,
  waitFor,
} from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { brokenInvariants, RedisStore, type Store, takeInventory } from '../src/index.ts';
import { adapters } from './adapters.ts';

describe.each(adapters)('parallel calls of the store in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;
  const roomId = 'rm_a';
  const claims = participantClaims();
  const codeOf = (error: unknown): string => (error as { code: string }).code;

  beforeEach(async () => {
    ({ store, close } = await open());
    for (const id of ['nd_a', 'nd_b']) await store.nodes.report(nodeReport(id, { capacity: 1000 }));
    await store.rooms.create(roomRecord('a'));
  });
  afterEach(() => close());

  const openSession = async (userId = 'u') => {
    const id = newId('session');
    await store.sessions.open({ id, userId, gatewayId: 'gw_a', ...claims }, `hash-of-${id}`);
    return id;
  };
  const expectWhole = async () => expect(brokenInvariants(await takeInventory(store))).toEqual([]);

  test('of ten resumes with one token the last holds the session, and after it is confirmed none succeeds', async () => {
    const id = await openSession();
    const resumes = await Promise.all(
      Array.from({ length: 10 }, (_, index) => store.sessions.resume(`hash-of-${id}`, `next-${index}`, `gw_${index}`)),
    );
    expect(resumes.filter((resumed) => resumed !== undefined)).toHaveLength(10);
    const confirmed = await Promise.all(
      resumes.map((_, index) => store.sessions.confirmResume(id, `hash-of-${id}`, `next-${index}`)),
    );
    expect(confirmed.filter(Boolean)).toHaveLength(1);
    expect(await store.sessions.get(id)).toMatchObject({ gatewayId: `gw_${confirmed.indexOf(true)}` });
    expect(await store.sessions.resume(`hash-of-${id}`, 'late', 'gw_late')).toBeUndefined();
  });

  test('a join of a connection that is replaced meanwhile is part of the resumed session or refused', async () => {
    for (let round = 0; round < 30; round++) {
      const id = await openSession();
      // In every other round the resume is sent first.
      const early = round % 2 === 0 ? store.sessions.resume(`hash-of-${id}`, `next-${id}`, 'gw_b') : undefined;
      const join = store.rooms.join({ ...newcomer(roomId, id), resumeHash: `hash-of-${id}` }).then(
        () => 'joined',
        (error: unknown) => codeOf(error),
      );
      const resume = early ?? store.sessions.resume(`hash-of-${id}`, `next-${id}`, 'gw_b');
      const [outcome, resumed] = await Promise.all([join, resume]);
      expect(['joined', 'SESSION_EXPIRED']).toContain(outcome);
      expect(resumed?.session.rooms).toEqual(outcome === 'joined' ? [roomId] : []);
    }
  });

  test('joins in parallel with the deletion of their room leave no member', async () => {
    for (let round = 0; round < 10; round++) {
      const name = `r${round}`;
      await store.rooms.create(roomRecord(name));
      const joins = Array.from({ length: 8 }, () => joinAs(store, newcomer(`rm_${name}`)));
      const [outcomes] = await Promise.all([Promise.allSettled(joins), store.rooms.delete(`rm_${name}`)]);
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(codeOf(outcome.reason)).toBe('ROOM_NOT_FOUND');
      expect(await store.rooms.state(`rm_${name}`)).toBeUndefined();
    }
    await expectWhole();
    expect((await store.nodes.list()).map(({ reserved }) => reserved)).toEqual([0, 0]);
  });

  test('a migration that begins while its member leaves leaves nothing reserved', async () => {
    for (let round = 0; round < 20; round++) {
      const sessionId = newId('session');
      const { member } = await joinAs(store, newcomer(roomId, sessionId));
      const begin = async (): Promise<unknown> =>
        store.migrations
          .begin({
            id: newId('migration'),
            roomId,
            sessionId,
            participantId: member.id,
            reason: 'drain',
            startedAt: Date.now(),
            deadline: Date.now() + 10_000,
          })
          .catch(codeOf);
      const leave = async (): Promise<unknown> => store.rooms.leave(roomId, member.id, 'left');
      await Promise.all(round % 2 === 0 ? [begin(), leave()] : [leave(), begin()]);
      expect(await store.migrations.of(roomId, member.id)).toBeUndefined();
    }
    await expectWhole();
    expect((await store.nodes.list()).map(({ reserved }) => reserved)).toEqual([0, 0]);
  });

  test('messages to a user whose last session ends meanwhile are kept or refused with RECIPIENT_OFFLINE', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await openSession(`user${round}`);
      const send = async (): Promise<unknown> => store.sessions.sendToUser(`user${round}`, '{}').catch(codeOf);
      const outcomes = await Promise.all([send(), send(), store.sessions.close(id, 'left'), send(), send()]);
      for (const outcome of outcomes.toSpliced(2, 1)) expect(outcome).toMatch(/^(\d+-\d+|RECIPIENT_OFFLINE)$/);
      expect(await send()).toBe('RECIPIENT_OFFLINE');
    }
  });

  test('a session that its gateway reattaches after it was listed as due is not closed', async () => {
    const id = await openSession();
    await store.sessions.detach(id, `hash-of-${id}`, 1);
    const due = await waitFor('the session is due', async () => {
      const found = await store.sessions.due(10);
      return found.length > 0 ? found : notYet('nothing is due');
    });
    await store.sessions.reattach([id], 'gw_a');
    expect(await Promise.all(due.map((each) => store.sessions.closeExpired(each)))).toEqual([false]);
    expect(await store.sessions.get(id)).toBeDefined();
    await store.sessions.detach(id, `hash-of-${id}`, -1);
    expect(await store.sessions.closeExpired(id)).toBe(true);
    expect(await store.sessions.get(id)).toBeUndefined();
  });
});

test('in Redis a room that is joined while expired rooms are deleted is not deleted with its member', async () => {
  const namespace = uniqueName('t');
  const options = { url: testBrokers().redisUrl, namespace, log: createLogger({ service: 'test', level: 'error' }) };
  const store = await RedisStore.connect(options);
  const redis = new RedisLink({ url: options.url }, options.log, 'test').redis;
  await redis.connect();
  try {
    await store.nodes.report(nodeReport('nd_a', { capacity: 1000 }));
    const names = Array.from({ length: 20 }, (_, index) => `e${index}`);
    for (const name of names) await store.rooms.create(roomRecord(name));
    await redis.zadd(`${namespace}:rooms:empty`, ...names.flatMap((name) => [1, `rm_${name}`]));
    const joins = names.map((name) => joinAs(store, newcomer(`rm_${name}`)));
    const [, outcomes] = await Promise.all([store.rooms.deleteExpired(), Promise.allSettled(joins)]);
    for (const [index, name] of names.entries()) {
      const members = (await store.rooms.state(`rm_${name}`))?.members;
      expect(members?.length).toBe(outcomes[index]!.status === 'fulfilled' ? 1 : undefined);
    }
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(brokenInvariants(await takeInventory(store))).toEqual([]);
  } finally {
    redis.disconnect();
    await store.close();
  }
});
