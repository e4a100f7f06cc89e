import { memoryBackplane } from '@flotilla/backplane';
import { roomRecord, nodeReport, RawClient } from '@flotilla/testkit';
import { roomIdOf } from '@flotilla/store';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { log, newToken, type RunningGateway, startGateway } from './gateway-harness.ts';

const backplane = memoryBackplane(log);
const ids = { acme: roomIdOf('daily', 'acme'), none: roomIdOf('daily', undefined) };
let gateway: RunningGateway;
const clients: RawClient[] = [];

async function connect(userId: string): Promise<RawClient> {
  const client = await RawClient.connect(gateway.url, { token: await newToken(userId, '*') });
  clients.push(client);
  return client;
}

beforeAll(async () => {
  for (const id of Object.values(ids)) await backplane.store.rooms.create({ ...roomRecord('daily'), id });
  gateway = await startGateway({ settings: { FLOTILLA_ALLOW_PLAIN: 'true' }, backplane });
});
// A join needs a node that reported lately.
beforeEach(() => backplane.store.nodes.report(nodeReport('nd_a')));
afterAll(async () => {
  for (const client of clients) client.close();
  await gateway.stop();
});

describe('a session with a tenant', () => {
  test('joins the room of its tenant by name, and finds no other by id', async () => {
    const ada = await connect('acme/ada');
    expect(await ada.request('join', { room: 'daily' })).toMatchObject({
      payload: { snapshot: { room: { id: ids.acme } } },
    });
    const unknown = await ada.request('join', { room: 'rm_nothing' });
    expect(unknown).toMatchObject({ error: { code: 'ROOM_NOT_FOUND' } });
    for (const room of [ids.none, roomIdOf('daily', 'beta')]) {
      expect(await ada.request('join', { room })).toMatchObject({ error: (unknown as { error: object }).error });
      expect(await ada.request('message', { data: 1 }, `room:${room}`)).toMatchObject({
        error: { code: 'NOT_IN_ROOM' },
      });
    }
    const { userId } = (await backplane.store.rooms.state(ids.acme))!.members[0]!;
    expect(userId).toBe('acme/ada');
  });

  test('reaches a user of its tenant with and without the tenant in the address', async () => {
    const [ada, bob] = [await connect('acme/ada'), await connect('acme/bob')];
    for (const to of ['user:bob', 'user:acme/bob']) {
      expect(await ada.request('message', { data: to }, to)).toMatchObject({ ok: true });
      expect(await bob.event('message', ({ payload }) => payload['data'] === to)).toMatchObject({
        from: 'user:acme/ada',
        to: 'user:acme/bob',
      });
    }
  });

  test('gets the same answer for a user of another tenant as for one who is offline', async () => {
    const [ada, ...others] = [await connect('acme/ada'), await connect('beta/eve'), await connect('eve')];
    const offline = await ada.request('message', { data: 1 }, 'user:nobody');
    expect(offline).toMatchObject({ error: { code: 'RECIPIENT_OFFLINE' } });
    const { error } = offline as { error: object };
    for (const to of ['user:beta/eve', 'user:beta/nobody', 'user:eve'])
      expect(await ada.request('message', { data: 1 }, to)).toMatchObject({ ok: false, error });
    for (const other of others) {
      await other.request('ping');
      expect(other.events.filter(({ type }) => type === 'message')).toEqual([]);
    }
  });

  test('is refreshed by a token of the same tenant only', async () => {
    const ada = await connect('acme/ada');
    for (const userId of ['ada', 'beta/ada'])
      expect(await ada.request('refresh_token', { token: await newToken(userId, '*') })).toMatchObject({
        error: { code: 'FORBIDDEN' },
      });
    expect(await ada.request('refresh_token', { token: await newToken('acme/ada', '*') })).toMatchObject({ ok: true });
  });
});

test('a session without a tenant reaches no room and no user of a tenant', async () => {
  const [eve, bob] = [await connect('eve'), await connect('acme/bob')];
  expect(await eve.request('join', { room: ids.acme })).toMatchObject({ error: { code: 'ROOM_NOT_FOUND' } });
  expect(await eve.request('message', { data: 1 }, 'user:acme/bob')).toMatchObject({
    error: { code: 'RECIPIENT_OFFLINE' },
  });
  expect(await eve.request('join', { room: 'daily' })).toMatchObject({
    payload: { snapshot: { room: { id: ids.none } } },
  });
  expect(bob.events.filter(({ type }) => type === 'message')).toEqual([]);
});
