import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '@flotilla/processes';
import { notYet, waitFor } from '@flotilla/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startMirror } from './nginx.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly requestId: unknown;
  readonly authorization: unknown;
  readonly host: unknown;
  readonly body: string;
}

/** An HTTP server that notes the requests. `answer` gets each; without it, it is answered with 200. */
async function startSide(
  answer: (response: ServerResponse, request: IncomingMessage) => void = (response) => response.end('answer'),
): Promise<{ address: string; seen: Seen[]; server: Server; connections: () => number }> {
  const seen: Seen[] = [];
  let connections = 0;
  const server = createServer((incoming, response) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
    incoming.on('end', () => {
      const { method, url, headers } = incoming;
      const { authorization, host, 'x-request-id': requestId } = headers;
      seen.push({ method, url, requestId, authorization, host, body });
      answer(response, incoming);
    });
  });
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    server,
    connections: () => connections,
  };
}

/** Sends requests over one connection that is kept open, one after the other. Returns the statuses, by which body. */
async function sendInOrder(url: string, count: number): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const answers: string[] = [];
  for (let index = 0; index < count; index++) {
    const sent = request(new URL(`/v1/rooms/r${index}/tokens`, url), { agent, method: 'POST' });
    sent.end('{"grants":[]}');
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of response) body += String(chunk);
    answers.push(`${response.statusCode} ${body}`);
  }
  return answers;
}

const answered = (count: number): string[] => Array.from({ length: count }, () => '200 answer');

describe('nginx with the mirror of the documentation', () => {
  test('keeps its connection to production, and says which host the client asked for', async () => {
    const [production, shadow] = [await startSide(), await startSide()];
    const url = await startMirror({ production: production.address, shadow: shadow.address });
    expect(await sendInOrder(url, 5)).toEqual(answered(5));
    expect(production.connections()).toBe(1);
    await waitFor('they are mirrored', () => shadow.seen.length === 5 || notYet(`${shadow.seen.length} are`));
    for (const { host } of [...production.seen, ...shadow.seen]) expect(host).toBe('127.0.0.1');
  });

  test('sends the shadow release the method, path, body and API key, with the id that production gets', async () => {
    const [production, shadow] = [await startSide(), await startSide()];
    const url = await startMirror({ production: production.address, shadow: shadow.address });
    for (const [method, body] of [
      ['POST', '{"name":"daily"}'],
      ['DELETE', undefined],
      ['GET', undefined],
    ] as const) {
      const response = await fetch(new URL('/v1/rooms/daily?x=%20y', url), {
        method,
        headers: { authorization: 'Bearer key', 'x-request-id': 'chosen by the client' },
        ...(body && { body }),
      });
      expect(await response.text()).toBe('answer');
    }
    await waitFor('they are mirrored', () => shadow.seen.length === 3 || notYet(`${shadow.seen.length} are`));
    const byMethod = (seen: readonly Seen[]) => seen.toSorted((a, b) => a.method!.localeCompare(b.method!));
    expect(byMethod(shadow.seen)).toEqual(byMethod(production.seen));
    for (const { requestId } of production.seen) expect(requestId).toMatch(/^[0-9a-f]{32}$/);
    expect(byMethod(production.seen)[2]).toMatchObject({
      method: 'POST',
      url: '/v1/rooms/daily?x=%20y',
      authorization: 'Bearer key',
      body: '{"name":"daily"}',
    });
  });

  test('mirrors a tenth of the requests', async () => {
    const [production, shadow] = [await startSide(), await startSide()];
    const url = await startMirror({ production: production.address, shadow: shadow.address, percent: 10 });
    const answers = await Promise.all(Array.from({ length: 6 }, () => sendInOrder(url, 100)));
    expect(answers.flat()).toEqual(answered(600));
    // Five standard deviations of the binomial distribution around 60.
    await waitFor('they are mirrored', () => shadow.seen.length > 23 || notYet(`${shadow.seen.length} are`));
    expect(shadow.seen.length).toBeLessThan(97);
  });

  test('answers from production while the shadow release answers nothing, also on one connection', async () => {
    const held: ServerResponse[] = [];
    const [production, shadow] = [await startSide(), await startSide((response) => held.push(response))];
    // Far beyond the timeout of this test.
    const url = await startMirror({ production: production.address, shadow: shadow.address, shadowSeconds: 3600 });
    expect(await sendInOrder(url, 50)).toEqual(answered(50));
    await waitFor('all are held', () => held.length === 50 || notYet(`${held.length} are`));
    expect(held.filter(({ writableEnded }) => writableEnded)).toEqual([]);
  });

  test.each([
    ['fails', (response: ServerResponse) => response.writeHead(500).end('broken')],
    ['closes connections', (response: ServerResponse) => response.destroy()],
  ])('answers from production while the shadow release %s', async (_, answer) => {
    const [production, shadow] = [await startSide(), await startSide(answer)];
    const url = await startMirror({ production: production.address, shadow: shadow.address });
    expect(await sendInOrder(url, 20)).toEqual(answered(20));
    expect(production.seen).toHaveLength(20);
    await waitFor('the shadow release was asked', () => shadow.seen.length >= 20 || notYet('it was not'));
  });

  test('answers from production while the shadow release is down, or its name is unknown', async () => {
    const production = await startSide();
    for (const shadow of [`127.0.0.1:${await freePort()}`, 'nowhere.invalid:8081']) {
      const url = await startMirror({ production: production.address, shadow });
      expect(await sendInOrder(url, 20)).toEqual(answered(20));
    }
    expect(production.seen).toHaveLength(40);
  });
});
