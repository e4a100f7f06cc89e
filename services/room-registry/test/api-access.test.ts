import { ApiScope, type RestRoute, restRoutes } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

const routes = Object.entries(restRoutes) as [RestRoute, (typeof restRoutes)[RestRoute]][];
/** A path of the route whose target does not exist. */
const pathOf = (path: string): string =>
  path
    .replace('{room}', 'nowhere')
    .replace('{participant}', 'pt_a')
    .replace('{user}', 'ada')
    .replace(/\{(\w+)\}/, 'x');

async function statusesWith(scopes: readonly ApiScope[]): Promise<Map<RestRoute, unknown>> {
  const { api } = await startRegistry(undefined, { scopes });
  const statuses = new Map<RestRoute, unknown>();
  for (const [name, { method, path }] of routes) {
    // The body is refused, so that nothing is carried out.
    const body = method === 'post' ? { unknown: true } : undefined;
    statuses.set(name, (await api.request(method.toUpperCase(), pathOf(path), body)).status);
  }
  return statuses;
}

describe('a scoped API key', () => {
  test.each(ApiScope.options)(
    'with the scope %s is admitted to the routes of that scope and to no other',
    async (scope) => {
      for (const [name, status] of await statusesWith([scope]))
        if (restRoutes[name].scope === scope) expect({ name, status }).not.toEqual({ name, status: 403 });
        else expect({ name, status }).toEqual({ name, status: 403 });
    },
  );

  test('issues tokens with the grant admin only with the scopes of what admin allows', async () => {
    const request = { grants: ['admin'], userId: 'ops' };
    const backend = await startRegistry(undefined, { scopes: ['tokens'] });
    expect(await backend.api.request('POST', '/v1/tokens', request)).toMatchObject({
      status: 403,
      body: { error: { code: 'FORBIDDEN' } },
    });
    const operator = await startRegistry(undefined, { scopes: ['tokens', 'operate', 'faults'] });
    expect(await operator.api.request('POST', '/v1/tokens', request)).toMatchObject({ status: 201 });
  });

  test('is refused with RATE_LIMITED and Retry-After above its rate', async () => {
    const { url, key } = await startRegistry(undefined, { requestsPerSecond: 1 });
    const answers = [];
    for (let index = 0; index < 6; index++)
      answers.push(await fetch(`${url}/v1/rooms`, { headers: { authorization: `Bearer ${key}` } }));
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.headers.get('retry-after')).toBe('1');
    expect(answers[0]?.status).toBe(200);
  });

  test('has the same rate for requests whose body cannot be read', async () => {
    const { url, key } = await startRegistry(undefined, { requestsPerSecond: 1 });
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => fetch(`${url}/v1/rooms`, { method: 'POST', headers, body: '{' })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400, 429]));
  });
});

describe('the audit log', () => {
  /** The records of requests that `act` sends. */
  async function recordsOf(
    scopes: readonly ApiScope[],
    act: (registry: Awaited<ReturnType<typeof startRegistry>>) => Promise<unknown>,
  ): Promise<unknown[]> {
    const records: unknown[] = [];
    await act(await startRegistry(undefined, { scopes, onAudit: (record) => records.push(record) }));
    return records;
  }

  test('has each write with key, action, target and outcome, and no reads', async () => {
    const records = await recordsOf(['rooms', 'read'], async ({ api }) => {
      await api.request('POST', '/v1/rooms', { name: 'daily' });
      await api.request('GET', '/v1/rooms/daily');
      await api.request('DELETE', '/v1/rooms/daily');
      await api.request('DELETE', '/v1/rooms/daily');
      await api.request('POST', '/v1/tokens', { grants: [] });
      await api.request('POST', '/v1/rooms', { name: 'NOT A NAME' });
    });
    const common = { audit: true, key: 'test' };
    expect(records).toEqual([
      { ...common, action: 'createRoom', target: {}, parameters: { name: 'daily' }, outcome: 'ok' },
      { ...common, action: 'deleteRoom', target: { room: 'daily' }, parameters: {}, outcome: 'ok' },
      { ...common, action: 'deleteRoom', target: { room: 'daily' }, outcome: 'ROOM_NOT_FOUND' },
      { ...common, action: 'issueFleetToken', target: {}, outcome: 'FORBIDDEN' },
      { ...common, action: 'createRoom', target: {}, outcome: 'BAD_PAYLOAD' },
    ]);
  });

  test('has a write whose body cannot be read, is too large or has another type', async () => {
    const path = '/v1/rooms/daily/tokens';
    const records = await recordsOf(['tokens'], async ({ url, key }) => {
      const send = (body: string, type = 'application/json', at = path): Promise<Response> => {
        const headers = { authorization: `Bearer ${key}`, 'content-type': type };
        return fetch(url + at, { method: 'POST', headers, body });
      };
      expect((await send('{')).status).toBe(400);
      expect((await send(JSON.stringify('x'.repeat(150_000)))).status).toBe(413);
      expect((await send('a', 'text/plain')).status).toBe(415);
      expect((await send('{', 'application/json', '/v1/elsewhere')).status).toBe(400);
    });
    const write = { audit: true, key: 'test', action: 'issueToken', target: { room: 'daily' } };
    expect(records).toEqual([
      { ...write, outcome: 'BAD_PAYLOAD' },
      { ...write, outcome: 'BODY_TOO_LARGE' },
      { ...write, outcome: 'UNSUPPORTED_MEDIA_TYPE' },
    ]);
  });

  test('has no entry for a request with an unknown key', async () => {
    expect(await recordsOf(['rooms'], ({ stranger }) => stranger.request('POST', '/v1/rooms', {}))).toEqual([]);
  });
});
