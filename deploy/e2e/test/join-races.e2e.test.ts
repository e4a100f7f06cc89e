import { createHmac, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { CommandBus, RedisLink, RabbitMqCommandTransport } from '@flotilla/bus';
import { closeCodes, newId, registryQueue, relayQueue, sfuQueue } from '@flotilla/contracts';
import { adminUrlOf, type Broker, startRabbitMq, startRedis } from '@flotilla/processes';
import { createLogger, type HealthReport } from '@flotilla/runtime';
import { brokenInvariants, RedisStore, takeInventory } from '@flotilla/store';
import { notYet, RawClient, TcpProxy, UpgradeRefused, waitFor } from '@flotilla/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { metricsOf, useOwnFleet } from './use-topology.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const resumeWindowSeconds = 2;
const nodeIds = ['nd_1', 'nd_2', 'nd_3'];
/** Keys of members, sessions and what they hold. */
const keysInUse =
  /\}:(members|join-order|assignments|media-requests|reconnecting|publications.*|upgraded|pairs|migrations|previous.*)$|:(nodes:reserved|migrations|sessions:detached)$|:(session|resume):|:user:.*:sessions$|:gateway:.*:sessions$/;

/** The services reach Redis and RabbitMQ through proxies; the tests read Redis directly. */
let redis: Broker;
let rabbit: Broker;
let redisProxy: TcpProxy;
let rabbitProxy: TcpProxy;
let fleet: TestFleet;
let store: RedisStore;
let keys: RedisLink['redis'];
const clients: RawClient[] = [];

const portOf = (url: string): number => Number(new URL(url).port);

beforeAll(async () => {
  [redis, rabbit] = await Promise.all([startRedis(), startRabbitMq()]);
  redisProxy = await TcpProxy.to(portOf(redis.url));
  rabbitProxy = await TcpProxy.to(portOf(rabbit.url));
});
afterAll(async () => {
  await Promise.all([redisProxy?.close(), rabbitProxy?.close()]);
  await Promise.all([redis?.stop(), rabbit?.stop()]);
});
useOwnFleet(
  'joins',
  () => ({
    sfuNodes: nodeIds.length,
    gateways: 2,
    brokers: {
      redisUrl: `redis://127.0.0.1:${redisProxy.port}`,
      amqpUrl: `amqp://guest:guest@127.0.0.1:${rabbitProxy.port}`,
      stop: async () => undefined,
    },
    env: { FLOTILLA_RESUME_WINDOW_SECONDS: String(resumeWindowSeconds) },
  }),
  (it) => (fleet = it),
);
beforeAll(async () => {
  store = await RedisStore.connect({ url: redis.url, namespace: fleet.namespace, log });
  keys = new RedisLink({ url: redis.url }, log, 'test').redis;
  await keys.connect();
});
afterAll(async () => {
  keys?.disconnect();
  await store?.close();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

const newRoom = (): Promise<string> => fleet.api.newRoom('races');

async function connect(gateway: number, room: string, name?: string) {
  const token = await fleet.api.issueToken(room, { ...(name !== undefined && { name }) });
  const client = await RawClient.connect(fleet.gatewayUrls[gateway]!, { token });
  clients.push(client);
  return { client, welcome: await client.welcome() };
}

/** A client with open media in the room. */
async function enter(room: string, gateway = 0) {
  const { client, welcome } = await connect(gateway, room);
  const reply = await client.request('join', { room, rtpCapabilities: welcome.rtpCapabilities });
  expect(reply).toMatchObject({ ok: true });
  const { participantId, media } = reply.payload as { participantId: string; media: { nodeId: string } };
  return { client, welcome, participantId, nodeId: media.nodeId };
}

/** Waits until every service reaches its brokers. */
async function allReady(): Promise<void> {
  await waitFor(
    'every service is ready',
    async () => {
      for (const [name, child] of fleet.processes) {
        const answer = await fetch(`${await adminUrlOf(child)}/readyz`);
        const { problems } = (await answer.json()) as HealthReport;
        if (Object.keys(problems).length > 0) notYet(`${name} reports ${JSON.stringify(problems)}`);
      }
    },
    { timeoutMs: 20_000 },
  );
}

/** Waits until no member, session, reserved capacity, migration or media exists anywhere. */
async function nothingRemains(): Promise<void> {
  await waitFor(
    'nothing remains',
    async () => {
      const inventory = await takeInventory(store);
      const broken = brokenInvariants(inventory);
      if (broken.length > 0) notYet(broken.join('; '));
      const left: string[] = [];
      for (const key of (await keys.keys(`${fleet.namespace}:*`)).filter((each) => keysInUse.test(each)))
        // A resume token that was used and not confirmed expires.
        if (!key.includes(':resume:') || (await keys.ttl(key)) < 0) left.push(key);
      if (left.length > 0) notYet(`keys of members or sessions: ${left.join(', ')}`);
      const { vertices } = (await fleet.api.request('GET', '/v1/topology')).body as {
        vertices: { kind: string; participants?: number }[];
      };
      const present = vertices.filter(({ kind, participants = 0 }) => kind === 'session' || participants > 0);
      if (present.length > 0) notYet(`in the topology: ${JSON.stringify(present)}`);
      for (const node of nodeIds) {
        const metrics = await metricsOf(fleet, node);
        const media = [...metrics.matchAll(/^(?:sfu_sessions|sfu_streams)\{.*\} [1-9]\d*$/gm)].map(([line]) => line);
        if (media.length > 0) notYet(media.join(', '));
      }
    },
    { timeoutMs: 20_000, everyMs: 200 },
  );
}

describe('a join whose client disconnects', () => {
  test('leaves nothing, 100 times within 0 to 5 ms, with and without a close frame', async () => {
    const room = await newRoom();
    const attempts = 100;
    let answered = 0;
    const attempt = async (index: number): Promise<void> => {
      const { client, welcome } = await connect(index % 2, room);
      client.socket.send(
        JSON.stringify({ id: 'join', type: 'join', payload: { room, rtpCapabilities: welcome.rtpCapabilities } }),
      );
      const closesAt = performance.now() + (index / attempts) * 5;
      while (performance.now() < closesAt) await new Promise(setImmediate);
      if (index % 4 < 2) client.socket.terminate();
      else client.close();
      await client.closed;
      if (client.replies.length > 0) answered++;
    };
    for (let index = 0; index < attempts; index += 5)
      await Promise.all(Array.from({ length: 5 }, (_, offset) => attempt(index + offset)));
    await nothingRemains();
    console.log(`${answered} of ${attempts} joins were answered before their client disconnected`);
  });
});

describe('a join during which a broker is disconnected', () => {
  test.each([
    ['RabbitMQ before the command arrives', () => rabbitProxy, 'sent', 'sfu.open_session'],
    ['RabbitMQ between the command and its answer', () => rabbitProxy, 'sent', 'iceParameters'],
    ['Redis before the script runs', () => redisProxy, 'sent', 'Cut Off'],
    ['Redis between the script and its answer', () => redisProxy, 'received', 'Cut Off'],
  ] as const)(
    '%s: it fails with UNAVAILABLE and leaves nothing; a retry succeeds',
    async (_, proxy, direction, text) => {
      const room = await newRoom();
      for (const retries of [false, true]) {
        await allReady();
        const { client, welcome } = await connect(0, room, 'Cut Off');
        const join = () => client.request('join', { room, rtpCapabilities: welcome.rtpCapabilities });
        const cut = proxy().cutAt(direction, text);
        const reply = join();
        await cut;
        expect(await reply).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });
        proxy().restore();
        if (retries) {
          await waitFor('a join succeeds', async () => {
            const again = await join();
            if (!again.ok) notYet(JSON.stringify(again.error));
            expect(again.payload).toMatchObject({
              media: { send: {} },
              snapshot: { participants: [{ name: 'Cut Off' }] },
            });
          });
          expect(await client.request('ping')).toMatchObject({ ok: true });
          const { rooms: states } = await takeInventory(store);
          expect(states.flatMap(({ members }) => members)).toHaveLength(1);
          client.close();
        } else {
          // The session stays connected: its failed join leaves no member.
          await waitFor('no member', async () => {
            const members = (await takeInventory(store)).rooms.flatMap((each) => each.members);
            if (members.length > 0) notYet(`${members.length}`);
          });
          client.close();
        }
        await nothingRemains();
      }
    },
  );
});

describe('text with half of a surrogate pair', () => {
  const half = String.raw`\ud83d`;
  /** What is stored, without what nodes and gateways report of themselves. */
  const stored = async (): Promise<string> => {
    const { rooms: states, migrations, sessions } = await takeInventory(store);
    return JSON.stringify({ states, migrations, sessions: [...sessions] });
  };

  test('is refused over WebSocket with BAD_MESSAGE in every text field, and changes nothing', async () => {
    const room = await newRoom();
    const { client } = await enter(room);
    const other = await newRoom();
    const to = `room:${room}`;
    const before = await stored();
    const requests: [type: string, payload: string, to?: string][] = [
      ['join', `{"room":"${other}","name":"Ada${half}"}`],
      ['join', `{"room":"${other}${half}"}`],
      ['message', `{"data":"${half}"}`, to],
      ['message', `{"data":{"${half}":1}}`, to],
      ['message', `{"data":1}`, `user:ada${half}`],
      ['publish', `{"kind":"audio","source":"microphone","label":"${half}","rtpParameters":{"codecs":[]}}`, to],
      ['publish', `{"kind":"audio","source":"microphone","rtpParameters":{"mid":"${half}","codecs":[]}}`, to],
      ['metadata.publish', `{"relayId":"rl_1","topic":"${half}"}`, to],
      ['metadata.publish', `{"relayId":"rl_1","topic":"boxes","schema":"${half}"}`, to],
      ['migration_failed', `{"migrationId":"mig_1","reason":"${half}"}`, to],
      ['refresh_token', `{"token":"${half}"}`],
    ];
    for (const [type, payload, address] of requests) {
      const text = `{"id":"1","type":"${type}",${address === undefined ? '' : `"to":"${address}",`}"payload":${payload}}`;
      expect({ text, ...(await client.sendRaw(text)) }).toMatchObject({
        text,
        ok: false,
        error: { code: 'BAD_MESSAGE' },
      });
    }
    expect(await stored()).toBe(before);
    client.close();
    await nothingRemains();
  });

  test('is refused over REST with BAD_PAYLOAD, and changes nothing', async () => {
    const room = await newRoom();
    const before = await stored();
    for (const [path, body] of [
      ['/v1/rooms', `{"name":"a${half}"}`],
      [`/v1/rooms/${room}/tokens`, `{"name":"${half}"}`],
      [`/v1/rooms/${room}/tokens`, `{"userId":"${half}"}`],
      ['/v1/tokens', `{"userId":"ada","name":"${half}"}`],
      ['/v1/tokens', `{"userId":"ada","room":"${half}"}`],
      ['/v1/tokens', `{"userId":"ada","bridge":["${half}"]}`],
      ['/v1/drills', `{"kind":"drain","node":"${half}"}`],
    ] as const)
      expect({ path, sent: body, ...(await fleet.api.request('POST', path, body)) }).toMatchObject({
        path,
        sent: body,
        status: 400,
        body: { error: { code: 'BAD_PAYLOAD' } },
      });
    expect(await stored()).toBe(before);
  });

  test('is refused in any claim of a token with TOKEN_INVALID', async () => {
    const room = await newRoom();
    const base64 = (text: string): string => Buffer.from(text).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: 'flotilla', aud: 'flotilla', sub: 'ada', room, iat: now, nbf: now, exp: now + 60 };
    const connectWith = async (more: Record<string, unknown>): Promise<string> => {
      const all = JSON.stringify({ ...claims, jti: randomUUID(), grants: ['publish'], ...more });
      const content = `${base64('{"alg":"HS256","typ":"JWT"}')}.${base64(all)}`;
      const signature = createHmac('sha256', fleet.tokenSecret).update(content).digest('base64url');
      try {
        clients.push(await RawClient.connect(fleet.gatewayUrls[0]!, { token: `${content}.${signature}` }));
        return 'accepted';
      } catch (error) {
        return (error as UpgradeRefused).code ?? String(error);
      }
    };
    // JSON.stringify writes it as an escape.
    const text = 'ada-12345\ud83d';
    for (const claim of ['name', 'sub', 'room', 'jti', 'iss', 'aud'])
      expect({ claim, code: await connectWith({ [claim]: text }) }).toEqual({ claim, code: 'TOKEN_INVALID' });
    expect(await connectWith({ bridge: [text] })).toBe('TOKEN_INVALID');
    expect(await connectWith({ name: 'Ada 😀' })).toBe('accepted');
  });

  test('is refused in commands on RabbitMQ with BAD_PAYLOAD, and changes nothing', async () => {
    const room = await newRoom();
    const { client, participantId, nodeId, welcome } = await enter(room);
    const bus = new CommandBus(
      await RabbitMqCommandTransport.connect({ url: rabbit.url, namespace: fleet.namespace, log }),
      log,
    );
    const roomId = (await fleet.api.request('GET', `/v1/rooms/${room}`)).body as { id: string };
    const ofSession = { roomId: roomId.id, sessionId: welcome.sessionId };
    const text = 'half \ud83d';
    const before = await stored();
    const migrationId = newId('migration');
    const codec = { mimeType: 'audio/opus', clockRate: 48_000, channels: 2 };
    const rtpParameters = { mid: '0', codecs: [{ ...codec, payloadType: 111 }], encodings: [{ ssrc: 1 }] };
    const media = { kind: 'audio', source: 'microphone', muted: false, rtpParameters } as const;
    const open = { ...ofSession, participantId, subscribe: true };
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      reason: () => bus.call(registryQueue, 'registry.migration_failed', { ...ofSession, migrationId, reason: text }),
      by: () => bus.call(registryQueue, 'registry.drill', { drill: { kind: 'drain', node: 'nd_9' }, by: text }),
      rtpCapabilities: () =>
        bus.call(sfuQueue(nodeId), 'sfu.open_session', {
          ...open,
          rtpCapabilities: { codecs: [{ ...codec, kind: 'audio', parameters: { [text]: 1 } }] } as never,
        }),
      label: () => bus.call(sfuQueue(nodeId), 'sfu.publish', { ...ofSession, ...media, label: text }),
      topic: () => bus.call(relayQueue('rl_1'), 'relay.publish', { ...ofSession, topic: text }),
    };
    for (const [field, call] of Object.entries(calls)) {
      const code = await call().then(
        () => 'accepted',
        (error: { code: string }) => error.code,
      );
      expect({ field, code }).toEqual({ field, code: 'BAD_PAYLOAD' });
    }
    expect(await stored()).toBe(before);
    await bus.close();
    client.close();
    await nothingRemains();
  });
});

describe('two connections that resume one session at once', () => {
  test('one holds it, the other is refused or closed with SERVICE_RESTART, on any gateways', async () => {
    const room = await newRoom();
    let { client, welcome } = await enter(room);
    for (let round = 0; round < 20; round++) {
      // Now from a connection that is open, now from one that broke.
      if (round % 2 === 0) client.socket.terminate();
      const { sessionId, resumeToken } = welcome;
      const outcomes = await Promise.all(
        [0, round % 3 === 0 ? 0 : 1].map((gateway) => resumeOver(fleet.gatewayUrls[gateway]!, resumeToken)),
      );
      const holders = outcomes.filter((outcome) => typeof outcome !== 'string');
      expect(holders, outcomes.filter((outcome) => typeof outcome === 'string').join(', ')).toHaveLength(1);
      [client] = holders as [RawClient];
      welcome = await client.welcome();
      expect(welcome).toMatchObject({ sessionId, resumed: true });
      // It was used up by the connection that holds the session.
      expect(await resumeOver(fleet.gatewayUrls[0]!, resumeToken)).toBe('SESSION_EXPIRED');
      expect(await client.request('ping')).toMatchObject({ ok: true });
    }
    const { rooms: states } = await takeInventory(store);
    expect(states.flatMap(({ members }) => members)).toHaveLength(1);
    client.close();
    await nothingRemains();
  });

  /** The connection, or why it does not hold the session. */
  async function resumeOver(url: string, resumeToken: string): Promise<RawClient | string> {
    try {
      const client = await RawClient.resume(url, resumeToken);
      clients.push(client);
      const reply = await Promise.race([client.request('resume', { offsets: {} }), client.closed]);
      if ('ok' in reply && reply.ok) {
        expect(reply).toMatchObject({ payload: { rooms: [{}] } });
        return client;
      }
      expect((await client.closed).code).toBe(closeCodes.SERVICE_RESTART);
      return 'SERVICE_RESTART';
    } catch (error) {
      if (error instanceof UpgradeRefused) return error.code ?? String(error);
      throw error;
    }
  }
});

describe('a drain beside a migration of the same participant', () => {
  test.each(['from', 'to'] as const)('of the node that it moves %s: it ends on a third node, once', async (end) => {
    const room = await newRoom();
    const { client, participantId, nodeId } = await enter(room);
    const target = nodeIds.find((id) => id !== nodeId)!;
    const path = `/v1/rooms/${room}/participants/${participantId}/migrate`;
    expect((await fleet.api.request('POST', path, { toNode: target })).status).toBe(202);
    const first = await client.event('migrate');
    const drained = end === 'from' ? nodeId : target;
    expect((await fleet.api.request('POST', `/v1/nodes/${drained}/drain`)).status).toBe(200);
    // The planner finds the node draining, and the participant in a migration.
    await pause(1000);
    const commit = ({ payload }: { payload: Record<string, unknown> }) =>
      client.request('migrated', { migrationId: payload['migrationId'] }, `room:${room}`);
    expect(await commit(first)).toMatchObject({ ok: true });
    if (end === 'to') {
      const second = await client.event(
        'migrate',
        ({ payload }) => payload['migrationId'] !== first.payload['migrationId'],
      );
      expect(await commit(second)).toMatchObject({ ok: true });
    }
    expect(await fleet.processes.get(drained)!.exited).toBe(0);
    const inventory = await takeInventory(store);
    expect(brokenInvariants(inventory)).toEqual([]);
    const members = inventory.rooms.flatMap((each) => each.members);
    expect(members).toMatchObject([{ id: participantId }]);
    expect(members[0]!.nodeId).not.toBe(drained);
    await fleet.startAgain(drained);
    client.close();
    await nothingRemains();
  });
});
