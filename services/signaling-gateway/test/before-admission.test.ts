import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { signalPath } from '@flotilla/contracts';
import { notYet, RawClient, waitFor } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { newToken, open, openWebSocket, ping, type RunningGateway, startGateway } from './gateway-harness.ts';

let gateway: RunningGateway;
afterEach(() => gateway.stop());

describe('before a session is admitted', () => {
  test('sockets of an address beyond twice its connections are closed, and its sessions are answered', async () => {
    gateway = await startGateway({
      settings: { FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: '10', FLOTILLA_DRAIN_SECONDS: '0' },
    });
    const session = await openWebSocket(open(gateway.port));
    const sockets = Array.from({ length: 60 }, () => open(gateway.port).on('error', () => undefined));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await waitFor('the sockets beyond the limit are closed', () => {
      const closed = sockets.filter(({ closed }) => closed).length;
      if (closed !== 41) notYet(`${closed} of 41 are`);
    });
    expect(await ping(session)).toMatchObject({ ok: true });
    for (const socket of sockets) socket.destroy();
    await waitFor('another session is admitted', async () => (await openWebSocket(open(gateway.port))).close());
  });

  test('plain HTTP requests of an address above its rate get 429, and its sessions are answered', async () => {
    gateway = await startGateway({
      settings: { FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: '1', FLOTILLA_DRAIN_SECONDS: '0' },
    });
    const session = await openWebSocket(open(gateway.port));
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => fetch(`${gateway.url}${index % 2 ? '/v1/asyncapi.json' : '/nowhere'}`)),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(await refused[0]!.json()).toMatchObject({ error: { code: 'RATE_LIMITED' } });
    expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await ping(session)).toMatchObject({ ok: true });
  });

  test('the protocol document is not sent again to a client that has it', async () => {
    gateway = await startGateway();
    const url = `${gateway.url}/v1/asyncapi.json`;
    const first = await fetch(url);
    expect(await first.json()).toMatchObject({ asyncapi: '3.0.0' });
    const again = get(url, { headers: { 'If-None-Match': first.headers.get('etag')! } });
    const [answer] = (await once(again, 'response')) as [IncomingMessage];
    expect([answer.statusCode, await text(answer)]).toEqual([304, '']);
  });

  test('the reason that a connection would be refused for can be requested without using the token up', async () => {
    gateway = await startGateway({
      settings: { FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: '1', FLOTILLA_DRAIN_SECONDS: '0' },
    });
    const why = async (token: string): Promise<unknown> => {
      const answer = await fetch(`${gateway.url}${signalPath}/validate`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return answer.status === 204 ? 'accepted' : ((await answer.json()) as { error: { code: string } }).error.code;
    };
    const token = await newToken();
    expect(await why(token)).toBe('accepted');
    const client = await RawClient.connect(gateway.url, { token });
    await client.event('welcome');
    expect(await why(await newToken())).toBe('RATE_LIMITED');
    client.close();
    await client.closed;
    await waitFor('the used token is named', async () => {
      const reason = await why(token);
      if (reason !== 'TOKEN_REPLAYED') notYet(`it is ${String(reason)}`);
    });
  });
});
