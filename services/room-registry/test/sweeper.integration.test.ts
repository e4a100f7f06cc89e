import { randomUUID } from 'node:crypto';
import { connectRedis } from '@flotilla/bus';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { RedisStore } from '@flotilla/store';
import { joinAs, newcomer, nodeReport, roomRecord, testBrokers } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { Migrations } from '../src/migrations/migrations.ts';
import { Sweeper } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'fatal' });

test('a sweep over Redis handles every sound record when each of its parts meets a damaged one, and counts the damaged ones', async () => {
  const { redisUrl: url } = testBrokers();
  const namespace = `t${randomUUID().slice(0, 8)}`;
  const store = await RedisStore.connect({ url, namespace, log });
  const redis = connectRedis(url, log, 'test');
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
    const sweeper = new Sweeper(store, 0, log, { migrations: () => migrations.rollBackTimedOut() });
    await sweeper.sweep();

    expect(await store.sessions.get('ss_2')).toBeUndefined();
    expect(await store.migrations.of('rm_b', 'pt_4')).toBeUndefined();
    expect(await store.rooms.get('rm_d')).toBeUndefined();
    expect((await store.rooms.state('rm_a'))?.members.map(({ id }) => id)).toEqual(['pt_1']);
    const metrics = await metricsRegistry.metrics();
    for (const part of ['sessions', 'rooms', 'members'])
      expect(metrics).toMatch(new RegExp(`registry_sweep_failures_total\\{part="${part}"\\} 1`));
  } finally {
    redis.disconnect();
    await store.close();
  }
});
