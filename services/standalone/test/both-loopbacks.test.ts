import { once } from 'node:events';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { httpAnswer } from '@flotilla/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { listenAtBothLoopbacks } from '../src/both-loopbacks.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);

async function serverAt(host: string): Promise<{ server: Server; port: number }> {
  const server = createHttpServer((_request, response) => response.end('here')).listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

/** The code of the error of a connection; undefined when it is accepted. */
async function failureOf(port: number, host: string): Promise<string | undefined> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}

describe('a server at a loopback address', () => {
  test.runIf(hasIpv6)('answers at that of the other version of IP, and closes both', async () => {
    for (const host of ['127.0.0.1', '::1']) {
      const { server, port } = await serverAt(host);
      await listenAtBothLoopbacks(server);
      for (const url of [`http://127.0.0.1:${port}`, `http://[::1]:${port}`])
        expect(await httpAnswer(url)).toMatchObject({ status: 200, body: 'here' });
      // Neither is accepted any more, and what is open ends.
      const accepted = once(server, 'connection');
      const open = connect(port, host === '::1' ? '127.0.0.1' : '::1');
      await accepted;
      const ended = once(open.resume(), 'close');
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, ended]);
      for (const address of ['127.0.0.1', '::1']) expect(await failureOf(port, address)).toBe('ECONNREFUSED');
    }
  });

  test.runIf(hasIpv6)('is not served when another program has its port at the other address', async () => {
    const { server, port } = await serverAt('127.0.0.1');
    const other = createServer().listen(port, '::1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    await expect(listenAtBothLoopbacks(server)).rejects.toThrow(`port ${port} is in use at ::1`);
  });

  test('is served alone where the machine does not have the other address', async () => {
    const { server, port } = await serverAt('127.0.0.1');
    // An address of no machine (RFC 3849).
    await listenAtBothLoopbacks(server, { '127.0.0.1': '2001:db8::1' });
    expect(await httpAnswer(`http://127.0.0.1:${port}`)).toMatchObject({ status: 200 });
  });

  test('that is not the one of localhost is served alone', async () => {
    const { server, port } = await serverAt('127.0.0.2');
    await listenAtBothLoopbacks(server);
    expect(await failureOf(port, '127.0.0.1')).toBe('ECONNREFUSED');
  });
});
