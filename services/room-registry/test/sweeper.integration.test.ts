import { RedisLink, gatewayStream, idleStreamSeconds, RedisEventLog } from '@flotilla/bus';
import type { Member, RelayReport, RetainedMessage } from '@flotilla/contracts';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { brokenInvariants, RedisStore, takeInventory } from '@flotilla/store';
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
import { expect, test } from 'vitest';
import { Migrations } from '../src/migrations/migrations.ts';
import { Sweeper } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'fatal' });

const relayReport = (id: string): RelayReport => ({
  id,
  startedAt: 1,
  state: 'active',
  capacity: 10,
  links: 0,
  rooms: 0,
});

test('a sweep over Redis handles every valid record when each of its parts reads a damaged one, and counts the damaged ones', async () => {
  const { redisUrl: url } = testBrokers();
  const namespace = uniqueName('t');
  const store = await RedisStore.connect({ url, namespace, log });
  const redis = new RedisLink({ url }, log, 'test').redis;
  await redis.connect();
  const damage = async (name: string): Promise<void> => {
    await redis.del(`${namespace}:${name}`);
    await redis.set(`${namespace}:${name}`, 'damaged');
  };
  try {
    for (const id of ['nd_a', 'nd_b']) await store.nodes.report(nodeReport(id, { capacity: 100 }));
    for (const name of ['a', 'b', 'c', 'd']) await store.rooms.create(roomRecord(name));
    const join = async (name: string, sessionId: string) => joinAs(store, newcomer(`rm_${name}`, sessionId));
    // Two expired sessions, of which the first is damaged.
    for (const sessionId of ['ss_1', 'ss_2']) {
      await join('a', sessionId);
      await store.sessions.detach(sessionId, `hash-of-${sessionId}`, -1000);
    }
    await damage('session:ss_1');
    // Two timed-out migrations, of which the first is damaged.
    for (const [index, sessionId] of ['ss_3', 'ss_4'].entries()) {
      const { member } = await join('b', sessionId);
      const times = { startedAt: index + 1, deadline: index + 1 };
      const { roomId, id: participantId } = member;
      await store.migrations.begin({ id: `mig_${index}`, roomId, sessionId, participantId, reason: 'drain', ...times });
    }
    await damage('{rm_b}:publications:pt_3');
    // Two expired rooms, of which the first is damaged.
    await redis.zadd(`${namespace}:rooms:empty`, 1, 'rm_c', 2, 'rm_d');
    await damage('{rm_c}:members');
    // A member whose session does not exist.
    await join('a', 'ss_5');
    await redis.del(`${namespace}:session:ss_5`);

    const migrations = new Migrations({} as never, store, log);
    const sweeper = new Sweeper(store, { resumeMs: 0, deadMs: 600_000 }, log, {
      migrations: () => migrations.rollBackTimedOut(),
    });
    await sweeper.sweep();

    expect(await store.sessions.get('ss_2')).toBeUndefined();
    expect(await store.migrations.of('rm_b', 'pt_4')).toBeUndefined();
    expect(await store.rooms.get('rm_d')).toBeUndefined();
    expect((await store.rooms.state('rm_a'))?.members.map(({ id }) => id)).toEqual(['pt_1']);
    const metrics = await metricsRegistry.metrics();
    for (const part of ['sessions', 'rooms', 'members'])
      expect(metrics).toMatch(new RegExp(`registry_sweep_failures_total\\{part="${part}"\\} 1`));
    expect(metrics).toMatch(/^registry_sweeps_total 1$/m);
  } finally {
    redis.disconnect();
    await store.close();
  }
});

test('after all participants left and the windows passed, sweeps leave only expiring keys and records of running services in Redis', async () => {
  const { redisUrl: url } = testBrokers();
  const namespace = uniqueName('t');
  const options = { url, namespace, log };
  const [store, events] = await Promise.all([RedisStore.connect(options), RedisEventLog.connect(options)]);
  try {
    const report = async (): Promise<void> => {
      await store.nodes.report(nodeReport('nd_live', { capacity: 100 }));
      await store.relays.report(relayReport('rl_live'));
    };
    for (const id of ['nd_dead', 'nd_gone']) await store.nodes.report(nodeReport(id, { capacity: 100 }));
    await store.relays.report(relayReport('rl_dead'));
    await report();
    await store.sessions.gatewayAlive('gw_dead');
    for (const name of ['a', 'b']) await store.rooms.create(roomRecord(name, { emptyTimeoutSeconds: 1 }));
    const sessionIds = Array.from({ length: 6 }, (_, index) => `ss_${index}`);
    const members: Member[] = [];
    for (const [index, sessionId] of sessionIds.entries())
      members.push((await joinAs(store, newcomer(index % 2 === 0 ? 'rm_a' : 'rm_b', sessionId))).member);
    const [first] = members;
    const { roomId, id: participantId, sessionId } = first!;
    await store.rooms.putPublication(roomId, cameraOf(first!));
    const times = { startedAt: Date.now(), deadline: Date.now() + 60_000 };
    await store.migrations.begin({ id: 'mig_a', roomId, sessionId, participantId, reason: 'drain', ...times });
    await store.relays.assign(roomId, []);
    const retained: RetainedMessage = {
      topic: 'title',
      mode: 'reliable',
      publisherId: participantId,
      seqId: 0,
      frames: ['AAAA'],
    };
    await store.relays.retain(roomId, retained);
    await store.sessions.sendToUser('u', '{"payload":{}}');
    expect(brokenInvariants(await takeInventory(store))).toEqual([]);
    expect(await store.lastingKeys()).toContain(`${namespace}:{rm_a}:members`);

    // Some leave, the connections of the others drop.
    await store.sessions.close(sessionIds[1]!, 'left');
    for (const id of sessionIds.filter((each) => each !== sessionIds[1]))
      await store.sessions.detach(id, `hash-of-${id}`, 0);
    const sweeper = new Sweeper(store, { resumeMs: 0, deadMs: 500 }, log);
    await waitFor('nothing remains', async () => {
      await report();
      await sweeper.sweep();
      const remaining = await store.lastingKeys();
      if (remaining.length > 0) notYet(remaining.join(', '));
      expect((await store.nodes.list()).map(({ id }) => id)).toEqual(['nd_live']);
      expect((await store.relays.list()).map(({ id }) => id)).toEqual(['rl_live']);
    });
    expect(await takeInventory(store)).toMatchObject({ rooms: [], migrations: [], nodes: [{ reserved: 0 }] });

    // Written after its reader ended, as by a session that resumes late.
    await events.append(gatewayStream('gw_dead'), '{}', idleStreamSeconds);
    expect(await store.lastingKeys()).toEqual([]);
  } finally {
    await Promise.all([store.close(), events.close()]);
  }
});
