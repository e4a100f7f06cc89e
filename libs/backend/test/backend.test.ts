import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createBackend } from '../src/index.ts';

describe('the SDK for backends', () => {
  /** A server that answers requests in turn, and the number of those that came. */
  async function serverOf(...answers: { status: number; headers?: Record<string, string>; body: string }[]) {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      const { status, headers, body } = answers[Math.min(requests.length, answers.length) - 1]!;
      response.writeHead(status, headers).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
  }
  const limited = {
    status: 429,
    headers: { 'retry-after': '0' },
    body: JSON.stringify({ error: { code: 'RATE_LIMITED', message: 'slower' } }),
  };
  const list = { status: 200, body: JSON.stringify({ rooms: [], next: null }) };
  const broken = { status: 502, body: '<html>Bad Gateway</html>' };

  test('repeats what was refused with Retry-After, and what reads while a proxy answers for the server', async () => {
    const { url, requests } = await serverOf(limited, broken, list);
    expect(await createBackend({ url, apiKey: 'k' }).listRooms({ limit: 5 })).toEqual({ rooms: [], next: null });
    expect(requests).toEqual(Array.from({ length: 3 }, () => 'GET /v1/rooms?limit=5'));
  });

  test('does not repeat what writes when it may have been done', async () => {
    const { url, requests } = await serverOf(broken, { status: 204, body: '' });
    const deletion = createBackend({ url, apiKey: 'k' }).deleteRoom({ room: 'a/b' });
    await expect(deletion).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(requests).toEqual(['DELETE /v1/rooms/a%2Fb']);
  });

  test('repeats nothing before the server asks for it, however late that is, or when it is not to repeat', async () => {
    const late = { ...limited, headers: { 'retry-after': '99999999999' } };
    const { url, requests } = await serverOf(late);
    const refused = { code: 'RATE_LIMITED', message: 'slower' };
    await expect(createBackend({ url, timeoutMs: 300 }).listRooms()).rejects.toMatchObject(refused);
    expect(requests).toHaveLength(1);
    const other = await serverOf(limited, list);
    await expect(createBackend({ url: other.url, repeats: false }).listRooms()).rejects.toMatchObject(refused);
    expect(other.requests).toHaveLength(1);
  });

  test('gives up after its timeout, with the last reason', async () => {
    const { url } = await serverOf(broken);
    const listing = createBackend({ url, apiKey: 'k', timeoutMs: 600 }).listRooms();
    await expect(listing).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('502') });
  });
});
