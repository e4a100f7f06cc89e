import { tokenSettings, TokenVerifier } from '@flotilla/auth';
import { BanList, IssuedToken, newId, Room, tenantOfRoom } from '@flotilla/contracts';
import { memoryBackplane } from '@flotilla/backplane';
import { createLogger } from '@flotilla/runtime';
import { joinAs, newcomer, nodeReport, type RestApi } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

const backplane = memoryBackplane(createLogger({ service: 'test', level: 'error' }));
const asTenant = (tenant: string | undefined) => startRegistry(undefined, { tenant, backplane });
const notFound = { status: 404, body: { error: { code: 'ROOM_NOT_FOUND' } } };

async function setUp() {
  const [acme, beta, operator] = [await asTenant('acme'), await asTenant('beta'), await asTenant(undefined)];
  const room = Room.parse((await acme.api.request('POST', '/v1/rooms', { name: 'daily' })).body);
  return { acme: acme.api, beta: beta.api, operator: operator.api, room, config: acme.config };
}

test('a key of a tenant finds no room of another, by name, by id, in the list, or to change it', async () => {
  const { acme, beta, operator, room } = await setUp();
  expect(tenantOfRoom(room.id)).toBe('acme');
  for (const ref of ['daily', room.id]) {
    expect(await beta.request('GET', `/v1/rooms/${ref}`)).toMatchObject(notFound);
    expect(await beta.request('GET', `/v1/rooms/${ref}/participants`)).toMatchObject(notFound);
    expect(await beta.request('DELETE', `/v1/rooms/${ref}`)).toMatchObject(notFound);
    expect(await beta.request('DELETE', `/v1/rooms/${ref}/bans/ada`)).toMatchObject(notFound);
    expect(await beta.request('POST', `/v1/rooms/${ref}/tokens`, { grants: [] })).toMatchObject(notFound);
    expect(await beta.request('POST', '/v1/tokens', { room: ref, grants: [] })).toMatchObject(notFound);
  }
  expect((await beta.request('GET', '/v1/rooms')).body).toEqual({ rooms: [], next: null });
  const own = Room.parse((await beta.request('POST', '/v1/rooms', { name: 'daily', maxParticipants: 3 })).body);
  expect(own.id).not.toBe(room.id);
  expect(await acme.request('GET', '/v1/rooms/daily')).toMatchObject({ body: { id: room.id, maxParticipants: 100 } });
  expect(await operator.request('GET', `/v1/rooms/${own.id}`)).toMatchObject({ status: 200 });
  expect(await operator.request('GET', '/v1/rooms/daily')).toMatchObject(notFound);
});

test('a token of a tenant names it, also when a key of the fleet issues it for a room of the tenant', async () => {
  const { acme, operator, room, config } = await setUp();
  const verifier = new TokenVerifier(tokenSettings(config));
  for (const api of [acme, operator]) {
    const { body } = await api.request('POST', `/v1/rooms/${room.id}/tokens`, { userId: 'ada', grants: ['data'] });
    const issued = IssuedToken.parse(body);
    expect(issued.userId).toBe('acme/ada');
    expect(await verifier.verify(issued.token)).toMatchObject({ sub: 'ada', tenant: 'acme', room: room.id });
  }
  for (const grant of ['broadcast', 'admin'])
    expect(await acme.request('POST', '/v1/tokens', { grants: [grant] })).toMatchObject({ status: 403 });
});

test('a key of a tenant is refused what concerns the whole fleet', async () => {
  const { acme, room } = await setUp();
  for (const [method, path] of [
    ['GET', '/v1/nodes'],
    ['GET', '/v1/topology'],
    ['POST', '/v1/nodes/nd_a/drain'],
    ['GET', '/v1/canary'],
    ['GET', '/v1/operations'],
    ['POST', '/v1/experiments'],
    ['POST', '/v1/canary/evacuate'],
    ['POST', '/v1/drills'],
    ['POST', '/v1/tokens/revoke'],
    ['POST', `/v1/rooms/${room.id}/participants/pt_a/migrate`],
  ] as const)
    expect(await acme.request(method, path)).toMatchObject({ status: 403, body: { error: { code: 'FORBIDDEN' } } });
});

test('bans are listed with the full ids of users, page by page, to the tenant of the room and to the fleet only', async () => {
  const { acme, beta, operator, room } = await setUp();
  await backplane.store.nodes.report(nodeReport('nd_a'));
  for (const [index, user] of ['bob', 'cy', 'dan'].entries()) {
    const { member } = await joinAs(backplane.store, { ...newcomer(room.id), userId: `acme/${user}` });
    const path = `/v1/rooms/daily/participants/${member.id}?banSeconds=${60 * (index + 1)}`;
    expect(await acme.request('DELETE', path)).toMatchObject({ status: 204 });
  }
  const bansOf = async (api: RestApi, path: string) => BanList.parse((await api.request('GET', path)).body);
  const first = await bansOf(acme, '/v1/rooms/daily/bans?limit=2');
  expect(first.bans.map(({ userId }) => userId)).toEqual(['acme/bob', 'acme/cy']);
  const last = await bansOf(acme, `/v1/rooms/daily/bans?limit=2&cursor=${encodeURIComponent(first.next!)}`);
  expect(last).toMatchObject({ bans: [{ userId: 'acme/dan' }], next: null });
  expect((await bansOf(operator, `/v1/rooms/${room.id}/bans`)).bans).toEqual([...first.bans, ...last.bans]);
  expect(await beta.request('GET', `/v1/rooms/${room.id}/bans`)).toMatchObject(notFound);
  expect(await acme.request('GET', '/v1/rooms/daily/bans?cursor=1:')).toMatchObject({ status: 400 });
  expect(await acme.request('DELETE', '/v1/rooms/daily/bans/bob')).toMatchObject({ status: 204 });
  expect((await bansOf(acme, '/v1/rooms/daily/bans')).bans).toHaveLength(2);
});

test('a key of a tenant revokes sessions and users of its own only', async () => {
  const { acme, beta } = await setUp();
  const id = newId('session');
  const session = { id, userId: 'acme/ada', gatewayId: 'gw_a', grants: [], bridge: [], expiresAt: Date.now() + 60_000 };
  await backplane.store.sessions.open(session, 'hash');
  expect(await beta.request('DELETE', `/v1/sessions/${id}`)).toMatchObject({ status: 404 });
  expect(await beta.request('POST', '/v1/users/acme%2Fada/revoke')).toMatchObject({ status: 404 });
  expect(await beta.request('POST', '/v1/users/ada/revoke')).toMatchObject({ status: 200, body: { sessions: 0 } });
  expect(await acme.request('POST', '/v1/users/ada/revoke')).toMatchObject({ status: 200, body: { sessions: 1 } });
});

test('a time in milliseconds refuses the tokens of a minute ahead, not those of all years to come', async () => {
  const { operator } = await setUp();
  const { body } = await operator.request('POST', '/v1/tokens/revoke', { issuedBefore: Date.now() });
  const { issuedBefore } = body as { issuedBefore: number };
  expect(issuedBefore).toBeLessThanOrEqual(Date.now() / 1000 + 60);
});
