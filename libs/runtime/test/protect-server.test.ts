import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLogger, protectionOf, protectServer, serverLimitsConfig } from '../src/index.ts';

/** Sends a request over a new connection. Returns the server's end of it. */
async function connectionAfterRequest(settings: Readonly<Record<string, string>>): Promise<Socket> {
  const server = createServer((_request, response) => response.end('answer'));
  const app = { getHttpServer: () => server, use: () => undefined };
  protectServer(
    app,
    protectionOf(serverLimitsConfig.parse(settings), createLogger({ service: 'test', level: 'silent' })),
  );
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  for (const each of [1, 2]) {
    client.write(`GET /${each} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await once(client, 'data');
  }
  return (await accepted)[0];
}

test.each([
  ['a trusted proxy is kept longer than proxies keep theirs', { FLOTILLA_TRUSTED_PROXIES: '127.0.0.1' }, [620_000]],
  ["another client is closed after Node's default", {}, [5000, 6000]],
])('an idle connection of %s', async (_name, settings, timeouts) => {
  const socket = await connectionAfterRequest(settings);
  await vi.waitFor(() => expect(timeouts).toContain(socket.timeout));
});
