import { tokenSettings, TokenVerifier } from '@flotilla/auth';
import { IssuedToken, Room } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

/** A registry with these token settings, and functions to send requests to it. */
async function registry(env?: Record<string, string>) {
  const { config, api, stranger } = await startRegistry(env);
  const post = (path: string, body: object) => api.request('POST', path, body);
  const verifier = new TokenVerifier(tokenSettings(config));
  const claimsOf = (body: unknown) => verifier.verify(IssuedToken.parse(body).token);
  return { post, stranger, claimsOf };
}

describe('a token for a room', () => {
  test('a token for a room names that room and the rooms that it may send messages into', async () => {
    const { post, claimsOf } = await registry();
    const room = Room.parse((await post('/v1/rooms', { name: 'daily' })).body);
    const { status, body } = await post('/v1/rooms/daily/tokens', {
      userId: 'ada',
      grants: ['data'],
      bridge: ['lobby'],
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ roomId: room.id });
    expect(await claimsOf(body)).toMatchObject({ sub: 'ada', room: room.id, bridge: ['lobby'] });
  });
});

describe('a token for the fleet', () => {
  test('a fleet token names no room and has the requested grants and lifetime', async () => {
    const { post, claimsOf } = await registry();
    const { status, body } = await post('/v1/tokens', {
      userId: 'ops',
      grants: ['admin', 'broadcast'],
      ttlSeconds: 60,
    });
    expect(status).toBe(201);
    const claims = await claimsOf(body);
    expect(claims).toMatchObject({ sub: 'ops', grants: ['admin', 'broadcast'], bridge: [] });
    expect(claims.room).toBeUndefined();
    expect(claims.exp - claims.iat).toBe(60);
  });

  test('a fleet token for any room says so, and a request that names no grants is refused', async () => {
    const { post, claimsOf } = await registry();
    const anywhere = await post('/v1/tokens', { room: '*', grants: ['subscribe'] });
    expect(anywhere.body).not.toHaveProperty('roomId');
    expect(await claimsOf(anywhere.body)).toMatchObject({ room: '*', grants: ['subscribe'] });
    expect(await post('/v1/tokens', { room: '*' })).toMatchObject({
      status: 400,
      body: { error: { code: 'BAD_PAYLOAD' } },
    });
  });

  test('a fleet token for one room requires that the room exists', async () => {
    const { post, claimsOf } = await registry();
    const request = { room: 'daily', grants: ['subscribe'] };
    expect(await post('/v1/tokens', request)).toMatchObject({
      status: 404,
      body: { error: { code: 'ROOM_NOT_FOUND' } },
    });
    const room = Room.parse((await post('/v1/rooms', { name: 'daily' })).body);
    expect(await claimsOf((await post('/v1/tokens', request)).body)).toMatchObject({ room: room.id });
  });

  test('a fleet token is refused without a known key, and for a malformed body', async () => {
    const { post, stranger } = await registry();
    expect(await stranger.request('POST', '/v1/tokens', {})).toMatchObject({ status: 403 });
    const bodies = [
      { grants: ['root'] },
      { bridge: 'lobby' },
      { bridge: Array.from({ length: 65 }, (_, index) => `room-${index}`) },
      { ttlSeconds: 901 },
      { aud: 'other' },
    ];
    for (const body of bodies)
      expect(await post('/v1/tokens', body)).toMatchObject({ status: 400, body: { error: { code: 'BAD_PAYLOAD' } } });
  });
});

test('a fleet that trusts another issuer answers requests for tokens with TOKENS_NOT_ISSUED', async () => {
  const { post } = await registry({ FLOTILLA_TOKEN_JWKS_URL: 'https://id.example.com/jwks.json' });
  await post('/v1/rooms', { name: 'daily' });
  for (const path of ['/v1/tokens', '/v1/rooms/daily/tokens'])
    expect(await post(path, { grants: [] })).toMatchObject({
      status: 501,
      body: { error: { code: 'TOKENS_NOT_ISSUED' } },
    });
});
