import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { waitFor, notYet } from '@flotilla/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DelayLine } from '../src/network/delay-line.ts';
import { TcpRelay } from '../src/network/tcp-relay.ts';

async function echo(): Promise<{ relay: TcpRelay; client: Socket; received: () => string }> {
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const targets = [
    // Port 1 refuses.
    { host: '127.0.0.1', port: 1 },
    { host: '127.0.0.1', port },
  ];
  const relay = await TcpRelay.start({ targets: () => targets });
  const client = connect(relay.port, '127.0.0.1');
  let text = '';
  client.setEncoding('utf8').on('data', (data: string) => (text += data));
  onTestFinished(async () => {
    client.destroy();
    await relay.close();
    server.close();
  });
  return { relay, client, received: () => text };
}

describe('a delay line', () => {
  test('delivers in order and not before the delay', async () => {
    const jitters = [1, 0, 0.5];
    const line = new DelayLine(
      () => ({ latencyMs: 40, jitterMs: 30 }),
      () => jitters.shift() ?? 0,
    );
    const began = performance.now();
    const arrived: [string, number][] = [];
    for (const text of ['a', 'b', 'c']) line.send(() => arrived.push([text, performance.now() - began]));
    await waitFor('all arrive', () => arrived.length === 3 || notYet(`${arrived.length} have`));
    expect(arrived.map(([text]) => text)).toEqual(['a', 'b', 'c']);
    // The first has 70 ms, and those behind it cannot pass it.
    for (const [, atMs] of arrived) expect(atMs).toBeGreaterThanOrEqual(69);
  });

  test('without a delay delivers at once', () => {
    let arrived = false;
    new DelayLine(() => ({ latencyMs: 0, jitterMs: 0 })).send(() => (arrived = true));
    expect(arrived).toBe(true);
  });
});

describe('a TCP relay', () => {
  test('leads to the first target that accepts, and back', async () => {
    const { client, received } = await echo();
    client.write('hello');
    await waitFor('the echo', () => received() === 'hello' || notYet(received()));
  });

  test('delays each direction of an open connection from the time that it is impaired', async () => {
    const { relay, client, received } = await echo();
    client.write('a');
    await waitFor('the first echo', () => received() === 'a' || notYet(received()));
    relay.impair({ up: { latencyMs: 60, jitterMs: 0 }, down: { latencyMs: 50, jitterMs: 0 } });
    const began = performance.now();
    client.write('b');
    await waitFor('the second echo', () => received() === 'ab' || notYet(received()), { everyMs: 2 });
    expect(performance.now() - began).toBeGreaterThanOrEqual(108);
  });

  test('that is blocked holds data and new connections, and forwards both afterwards', async () => {
    const { relay, client, received } = await echo();
    client.write('a');
    await waitFor('the first echo', () => received() === 'a' || notYet(received()));
    relay.impair({ blocked: true });
    client.write('b');
    const other = connect(relay.port, '127.0.0.1');
    onTestFinished(() => void other.destroy());
    let answer = '';
    other.setEncoding('utf8').on('data', (data: string) => (answer += data));
    other.write('c');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([received(), answer]).toEqual(['a', '']);
    relay.impair({ blocked: false });
    await waitFor('both echoes', () => (received() === 'ab' && answer === 'c') || notYet(`${received()} ${answer}`));
  });
});
