import { describe, expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

async function send(method: string, path: string, init: { type?: string; body?: string } = {}) {
  const { url, key } = await startRegistry();
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(init.type !== undefined && { 'content-type': init.type }) },
    ...(init.body !== undefined && { body: init.body }),
  });
  const text = await response.text();
  const { error } = JSON.parse(text || '{}') as { error?: { code: string } };
  return { status: response.status, code: error?.code, allow: response.headers.get('allow') };
}

describe('the REST API', () => {
  test('answers a method that a path does not serve with 405 and the methods that it serves', async () => {
    expect(await send('PUT', '/v1/rooms')).toEqual({ status: 405, code: 'METHOD_NOT_ALLOWED', allow: 'POST, GET' });
    expect(await send('POST', '/v1/openapi.json')).toMatchObject({ status: 405, allow: 'GET' });
  });

  test('answers an unknown path with 404', async () => {
    expect(await send('GET', '/v1/nowhere')).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  });

  test.each([
    ['application/x-www-form-urlencoded', 'name=daily'],
    ['text/plain', '{"name":"daily"}'],
    ['application/json; charset=iso-8859-1', '{"name":"daily"}'],
  ])('answers a body of type %s with 415', async (type, body) => {
    expect(await send('POST', '/v1/rooms', { type, body })).toMatchObject({
      status: 415,
      code: 'UNSUPPORTED_MEDIA_TYPE',
    });
  });

  test('answers a body above 100 KiB with 413', async () => {
    const body = JSON.stringify({ name: 'x'.repeat(102_400) });
    expect(await send('POST', '/v1/rooms', { type: 'application/json', body })).toMatchObject({
      status: 413,
      code: 'BODY_TOO_LARGE',
    });
  });

  test('answers a body that is not JSON, and a cursor that no page returned, with BAD_PAYLOAD', async () => {
    expect(await send('POST', '/v1/rooms', { type: 'application/json', body: '{' })).toMatchObject({
      status: 400,
      code: 'BAD_PAYLOAD',
    });
    expect(await send('GET', '/v1/rooms?cursor=bogus')).toMatchObject({ status: 400, code: 'BAD_PAYLOAD' });
  });

  test.each([
    ['/v1/rooms', { name: 'daily\ud83d' }],
    ['/v1/rooms/daily/tokens', { name: 'Ada \ud83d' }],
    ['/v1/rooms/daily/tokens', { userId: 'ada\ud83d' }],
    ['/v1/rooms/daily/tokens', { bridge: ['\udc00'] }],
    ['/v1/tokens', { name: '\ude00 Ada' }],
    ['/v1/tokens', { room: 'daily\ud83d' }],
    ['/v1/drills', { kind: 'kill_node', node: 'nd_\ud83d' }],
    ['/v1/drills', { kind: 'migrate', room: '\ud83d', participant: 'pt_a' }],
  ])('answers half of a surrogate pair in the body of POST %s with BAD_PAYLOAD: %o', async (path, body) => {
    expect(await send('POST', path, { type: 'application/json', body: JSON.stringify(body) })).toMatchObject({
      status: 400,
      code: 'BAD_PAYLOAD',
    });
  });

  test('accepts a request without a body where every field has a default', async () => {
    expect(await send('POST', '/v1/rooms')).toMatchObject({ status: 201 });
  });

  test('returns a cursor that the next page accepts', async () => {
    const { api } = await startRegistry();
    for (const name of ['a', 'b', 'c']) await api.request('POST', '/v1/rooms', { name });
    const { body } = await api.request('GET', '/v1/rooms?limit=2');
    const { next } = body as { next: string };
    const { status, body: rest } = await api.request('GET', `/v1/rooms?limit=2&cursor=${encodeURIComponent(next)}`);
    expect({ status, rest }).toMatchObject({ status: 200, rest: { rooms: [expect.anything()], next: null } });
  });
});
