import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { metricsRegistry } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

/** A burst of ten requests, and one more each second. */
const slow = { FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: '1' };
const refusedRequests = async (): Promise<Record<string, number>> => {
  const { values } = (await metricsRegistry.getSingleMetric('http_requests_refused_total')?.get()) ?? { values: [] };
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels['reason']), value]));
};
const times = (count: number, send: () => Promise<Response>): Promise<Response[]> =>
  Promise.all(Array.from({ length: count }, send));
const countOf = (answers: readonly Response[], status: number): number =>
  answers.filter((answer) => answer.status === status).length;

test('an address that sends unknown keys gets 429 above its rate, and a valid key from it is served beyond', async () => {
  const { url, key } = await startRegistry(undefined, { limits: slow });
  const before = await refusedRequests();
  const send = (token: string) => fetch(`${url}/v1/rooms`, { headers: { authorization: `Bearer ${token}` } });
  const unknown = await times(60, () => send('unknown'));
  const refused = unknown.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(countOf(unknown, 403)).toBe(60 - refused.length);
  expect(await refused[0]!.json()).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
  const after = await refusedRequests();
  expect(after['RATE_LIMITED']! - (before['RATE_LIMITED'] ?? 0)).toBe(refused.length);
  expect(after['FORBIDDEN']! - (before['FORBIDDEN'] ?? 0)).toBe(60 - refused.length);
  expect(countOf(await times(60, () => send(key)), 200)).toBe(60);
});

test('routes without a key are limited by address too, each client of a trusted proxy by its own', async () => {
  const { url } = await startRegistry(undefined, { limits: { ...slow, FLOTILLA_TRUSTED_PROXIES: '127.0.0.1' } });
  const sendFrom = (client: string) => fetch(`${url}/v1/openapi.json`, { headers: { 'x-forwarded-for': client } });
  let host = 0;
  // Each from another address of one /64 network.
  expect(countOf(await times(60, () => sendFrom(`2001:db8::${++host}`)), 429)).toBeGreaterThan(0);
  expect((await sendFrom('2001:db8:0:1::1')).status).toBe(200);
});

test.each([
  ['without a key', '', 401],
  ['with an unknown key', 'Authorization: Bearer unknown\r\n', 403],
])('a request %s is refused before its body arrives', async (_name, header, status) => {
  const { url } = await startRegistry();
  const socket = connectTo(url);
  socket.write(
    `POST /V1/rooms/a/tokens/?x=1 HTTP/1.1\r\nHost: a\r\n${header}Content-Type: application/json\r\nContent-Length: 50000\r\n\r\n{`,
  );
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  socket.destroy();
});

test('sockets of an address beyond its connections are closed, and others are served when they end', async () => {
  const { url, api } = await startRegistry(undefined, { limits: { FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: '10' } });
  const sockets = Array.from({ length: 40 }, () => connectTo(url));
  const ends = sockets.map((socket) => text(socket).catch(() => ''));
  await waitFor('the sockets beyond the limit are closed', () => {
    const closed = sockets.filter((socket) => socket.closed).length;
    if (closed !== 30) notYet(`${closed} of 30 are`);
  });
  for (const socket of sockets) socket.destroy();
  await Promise.all(ends);
  await waitFor('another client is served', async () => {
    const { status } = await api.request('GET', '/v1/rooms');
    expect(status).toBe(200);
  });
});

function connectTo(url: string): Socket {
  const { port, hostname } = new URL(url);
  return connect({ port: Number(port), host: hostname }).on('error', () => undefined);
}
