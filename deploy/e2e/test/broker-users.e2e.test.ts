import { RedisLink } from '@flotilla/bus';
import { endTransports, LightPeer } from '@flotilla/light-peer';
import { createLogger } from '@flotilla/runtime';
import { MetadataClient, notYet, RawClient, waitFor } from '@flotilla/testkit';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { useOwnFleet } from './use-topology.ts';

describe('a fleet whose services have a user each on Redis and RabbitMQ', () => {
  let fleet: TestFleet;
  const peers: LightPeer[] = [];
  useOwnFleet(
    'users',
    () => ({ sfuNodes: 2, gateways: 2, relays: 2, restricted: true }),
    (it) => (fleet = it),
  );
  afterEach(() => peers.splice(0).forEach((peer) => peer.close()));
  afterAll(() => endTransports());

  /** Runs a command of Redis as the administrator. */
  const inRedis = async (command: string, ...args: readonly string[]): Promise<unknown> => {
    const link = new RedisLink({ url: fleet.redisUrl }, createLogger({ service: 'test', level: 'error' }), 'test');
    await link.connect();
    try {
      return await link.redis.call(command, ...args);
    } finally {
      link.close();
    }
  };
  const post = async (path: string, body?: object): Promise<unknown> => {
    const answer = await fleet.api.request('POST', path, body);
    expect(answer.status, `${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    return answer.body;
  };
  const join = async (room: string, index: number): Promise<LightPeer> => {
    const token = await fleet.api.issueToken(room);
    const peer = await LightPeer.join({ url: fleet.gatewayUrls[index]!, token, room, name: `peer-${index}` });
    peers.push(peer);
    return peer;
  };
  const metadata = async (room: string, roomId: string, index: number): Promise<MetadataClient> => {
    const client = await RawClient.connect(fleet.gatewayUrls[index]!, { token: await fleet.api.issueToken(room) });
    await client.welcome();
    expect(await client.request('join', { room })).toMatchObject({ ok: true });
    return MetadataClient.connect(client, roomId);
  };
  const receivesTwo = (peer: LightPeer): Promise<void> =>
    waitFor(
      `${peer.name} receives audio and video`,
      () => {
        const received = peer.takeReceived().filter(({ longestGapMs }) => longestGapMs !== undefined);
        if (received.length !== 2) notYet(`${received.length} streams`);
      },
      { timeoutMs: 30_000 },
    );

  test('connects each service to Redis as its own user', async () => {
    const listed = (await inRedis('CLIENT', 'LIST')) as string;
    const users = new Set([...listed.matchAll(/ user=(\S+)/g)].map(([, user]) => user!));
    const services = ['autoscaler', 'gateway', 'registry', 'relay', 'sfu'];
    expect([...users].toSorted()).toEqual(
      ['admin', ...services.map((each) => `${fleet.namespace}-${each}`)].toSorted(),
    );
  });

  test('calls, migrates, drains a node, sends metadata and deletes a room, and the brokers refuse nothing', async () => {
    const room = await fleet.api.newRoom('users');
    const [ada, bob] = [await join(room, 0), await join(room, 1)];
    await Promise.all([receivesTwo(ada), receivesTwo(bob)]);
    await ada.sendMessage({ text: 'hello' });

    const toNode = ada.nodeId === 'nd_1' ? 'nd_2' : 'nd_1';
    await post(`/v1/rooms/${room}/participants/${ada.participantId}/migrate`, { toNode });
    await waitFor('the migration', () => ada.nodeId === toNode || notYet(ada.problems.join()), { timeoutMs: 30_000 });
    await receivesTwo(bob);

    const drained = bob.nodeId;
    await post(`/v1/nodes/${drained}/drain`);
    await waitFor('the drain', () => bob.nodeId !== drained || notYet(bob.problems.join()), { timeoutMs: 60_000 });
    await receivesTwo(ada);

    const [from, to] = [await metadata(room, ada.roomId, 0), await metadata(room, ada.roomId, 1)];
    await to.subscribe(['cursor']);
    await from.publish('cursor', { retain: true });
    from.send('cursor', 'here', { channel: 'reliable', retain: true });
    await waitFor('the metadata', () => to.texts('cursor')[0] === 'here' || notYet('nothing yet'));

    await waitFor('the retained message in the store', async () => {
      const kept = await inRedis('HLEN', `${fleet.namespace}:{${ada.roomId}}:retained`);
      if (kept !== 1) notYet('it is not there');
    });

    expect((await fleet.api.request('GET', '/v1/topology')).status).toBe(200);
    expect((await fleet.api.request('DELETE', `/v1/rooms/${room}`)).status).toBe(204);
    expect(await fleet.refusals()).toEqual([]);
  }, 180_000);
});
