import { type Backplane, connectBackplane } from '@flotilla/backplane';
import { RedisLink } from '@flotilla/bus';
import { newId, participantIdOf, registryCommands, registryQueue, sfuCommands, sfuQueue } from '@flotilla/contracts';
import { startRabbitMq, startRedis } from '@flotilla/processes';
import { brokerConfig, createLogger, loadConfig } from '@flotilla/runtime';
import { joinAs, newcomer, nodeReport, notYet, roomRecord, waitFor } from '@flotilla/testkit';
import { roomIdOf } from '@flotilla/store';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { requireNoFleet, shadowEmptySeconds } from '../src/mirror/shadow.ts';
import { mirrorMiddleware } from '../src/mirror/middleware.ts';
import { startRegistry } from './harness.ts';
import { type Names, writeRequests } from './write-requests.ts';

const production = 'fl';
const shadow = 'fl-shadow';
const nodes = ['nd_a', 'nd_b'];
const log = createLogger({ service: 'test', level: 'silent' });

let redis: Awaited<ReturnType<typeof startRedis>>;
let rabbitMq: Awaited<ReturnType<typeof startRabbitMq>>;
beforeAll(async () => {
  [redis, rabbitMq] = await Promise.all([startRedis(), startRabbitMq()]);
}, 120_000);
afterAll(() => Promise.all([redis?.stop(), rabbitMq?.stop()]));

async function connect(namespace: string): Promise<Backplane> {
  const settings = { REDIS_URL: redis.url, AMQP_URL: rabbitMq.url, FLOTILLA_NAMESPACE: namespace };
  const backplane = await connectBackplane(loadConfig(brokerConfig, settings), log);
  onTestFinished(() => backplane.close());
  return backplane;
}

async function client(): Promise<RedisLink['redis']> {
  const link = new RedisLink({ url: redis.url }, log, 'test');
  await link.connect();
  onTestFinished(() => link.close());
  return link.redis;
}

/** A room with two participants, of whom one is banned, as both sides have it. */
async function addRoom({ store }: Backplane, names: Names): Promise<void> {
  // Again for each room: reports are old after some seconds.
  for (const node of nodes) await store.nodes.report(nodeReport(node, { capacity: 1000 }));
  const { id } = await store.rooms.create(roomRecord(names['room']!, { id: names['roomId']! }));
  for (const [user, session] of [
    [names['bannedUser']!, names['bannedSession']!],
    [names['userId']!, names['sessionId']!],
  ] as const) {
    await joinAs(store, { ...newcomer(id, session), userId: user });
  }
  await store.rooms.remove(id, participantIdOf(names['bannedSession']!), {
    userId: names['bannedUser']!,
    seconds: 3600,
  });
}

/** All that Redis has, as a record of each key. */
async function redisState(keys: RedisLink['redis'], isOwn: (key: string) => boolean): Promise<Record<string, string>> {
  const entries: [string, string][] = [];
  for (const key of (await keys.keys('*')).toSorted()) {
    if (!isOwn(key)) entries.push([key, ((await keys.dumpBuffer(key)) ?? Buffer.of()).toString('base64')]);
  }
  return Object.fromEntries(entries);
}

/** Exchanges, bindings and queues of RabbitMQ, with what they contain, but for those of the shadow release. */
async function rabbitMqState() {
  const queues = await rabbitMq.control('list_queues', 'name', 'messages', 'consumers', '--formatter', 'json');
  const definitions = JSON.parse(await rabbitMq.control('export_definitions', '-', '--format', 'json')) as {
    readonly exchanges: readonly { name: string }[];
    readonly bindings: readonly { source: string; destination: string }[];
  };
  const isShadow = (name: string): boolean => name.startsWith(`${shadow}.`);
  return {
    queues: (JSON.parse(queues) as { name: string; messages: number; consumers: number }[])
      .filter(({ name }) => !isShadow(name))
      .toSorted((a, b) => a.name.localeCompare(b.name)),
    exchanges: definitions.exchanges.filter(({ name }) => !isShadow(name)),
    bindings: definitions.bindings.filter(({ source, destination }) => !isShadow(source) && !isShadow(destination)),
  };
}

describe('a shadow release on the brokers of production', () => {
  test('writes, publishes and commands nothing outside its namespace, by any write route', async () => {
    const commands: string[] = [];
    const noted = (table: object) =>
      Object.fromEntries(
        Object.keys(table).map((type) => [
          type,
          async () => {
            commands.push(type);
            throw new Error('a command to production');
          },
        ]),
      ) as unknown as Parameters<Backplane['bus']['serve']>[2];
    const real = await connect(production);
    const own = await connect(shadow);
    await real.bus.serve(registryQueue, 'shared', noted(registryCommands));
    for (const node of nodes) await real.bus.serve(sfuQueue(node), 'exclusive', noted(sfuCommands));
    const shadowRelease = await startRegistry(undefined, {
      backplane: own,
      before: mirrorMiddleware(
        {
          FLOTILLA_NAMESPACE: shadow,
          FLOTILLA_SHADOW_OF: production,
          FLOTILLA_CAPTURE_FILE: undefined,
          FLOTILLA_CAPTURE_MEGABYTES: 1,
        },
        log,
      ).handlers,
    });
    // A shadow release has no nodes. With nodes of the same names, as `addRoom` reports, their routes get as far as commanding them.
    const requests = await writeRequests(async (index) => {
      const [sessionId, bannedSession] = [newId('session'), newId('session')];
      const names: Names = {
        room: `daily-${index}`,
        roomId: roomIdOf(`daily-${index}`, undefined),
        participant: participantIdOf(sessionId),
        participantId: participantIdOf(sessionId),
        session: sessionId,
        sessionId,
        bannedSession,
        user: `banned-${index}`,
        userId: `ada-${index}`,
        bannedUser: `banned-${index}`,
        node: 'nd_a',
        nodeId: 'nd_a',
        name: 'kill-sfu',
        summary: 'kills an SFU node',
        experiment: 'kill-sfu',
      };
      await Promise.all([addRoom(real, names), addRoom(own, names)]);
      return names;
    });
    expect(requests.length).toBeGreaterThan(15);

    const keys = await client();
    const channels: string[] = [];
    const subscriber = await client();
    await subscriber.psubscribe('*');
    subscriber.on('pmessage', (_pattern, channel: string) => channels.push(channel));
    const isShadowKey = (key: string): boolean => key.startsWith(`${shadow}:`);
    // RabbitMQ counts consumers with a delay.
    const broker = await waitFor('every consumer of production is counted', async () => {
      const state = await rabbitMqState();
      const idle = state.queues.filter(({ name, consumers }) => consumers === 0 && !name.endsWith('.dead-letters'));
      return idle.length === 0 ? state : notYet(`not that of ${idle.map(({ name }) => name).join(', ')}`);
    });
    const before = { redis: await redisState(keys, isShadowKey), rabbitMq: broker };
    const shadowBefore = await redisState(keys, (key) => !isShadowKey(key));
    expect(Object.keys(before.redis).length).toBeGreaterThan(requests.length);

    const statuses = new Map<string, number[]>();
    for (const { operation, method, path, body } of requests) {
      const response = await send(shadowRelease, method, path, body);
      expect(response.headers['flotilla-shadow'], operation).toBe(shadow);
      expect([400, 401, 403, 405, 415, 500], `${operation}: ${JSON.stringify(response.body)}`).not.toContain(
        response.status,
      );
      statuses.set(operation, [...(statuses.get(operation) ?? []), response.status]);
    }

    expect(await redisState(keys, isShadowKey)).toEqual(before.redis);
    expect(await rabbitMqState()).toEqual(before.rabbitMq);
    expect(commands).toEqual([]);
    expect(channels.filter((channel) => !isShadowKey(channel))).toEqual([]);
    // They wrote: what was compared is not the absence of any effect.
    expect(await redisState(keys, (key) => !isShadowKey(key))).not.toEqual(shadowBefore);
    expect(channels.length).toBeGreaterThan(0);
    for (const operation of ['createRoom', 'deleteRoom', 'removeParticipant', 'liftBan', 'revokeSession', 'issueToken'])
      expect(Math.max(...(statuses.get(operation) ?? [599])), operation).toBeLessThan(300);
    expect(statuses.get('drainNode')).toEqual([503]);
  }, 120_000);

  test('deletes each empty room within an hour, and answers the creation as production does', async () => {
    const own = await connect('fl-shadow-rooms');
    const { api } = await startRegistry(undefined, { backplane: own, shadowOf: production });
    for (const [requested, stored] of [
      [0, shadowEmptySeconds],
      [86_400, shadowEmptySeconds],
      [60, 60],
    ] as const) {
      const body = { name: `empty-${requested}`, emptyTimeoutSeconds: requested };
      const created = await api.request('POST', '/v1/rooms', body);
      expect(created).toMatchObject({ status: 201, body });
      expect(await api.request('POST', '/v1/rooms', body)).toEqual(created);
      expect(await own.store.rooms.get(roomIdOf(body.name, undefined))).toMatchObject({ emptyTimeoutSeconds: stored });
    }
  });

  test('refuses to start in the namespace of a fleet', async () => {
    const fleet = await connect('fl-other');
    await expect(requireNoFleet('fl-other', fleet.store.nodes)).resolves.toBeUndefined();
    await fleet.store.nodes.report(nodeReport('nd_a'));
    await expect(requireNoFleet('fl-other', fleet.store.nodes)).rejects.toThrow(/nd_a, report in fl-other/);
  });
});

const send = ({ url, key }: { url: string; key: string }, method: string, path: string, body: object | undefined) =>
  fetch(new URL(path, url), {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  }).then(async (response) => ({
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  }));
