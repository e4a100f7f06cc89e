import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { isRtp, notYet, UdpRelay, type UdpRelayOptions, waitFor } from '../src/index.ts';

const toClose: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

/** A UDP socket on 127.0.0.1 that records the received packets. */
class Peer {
  readonly got: { text: string; atMs: number; from: RemoteInfo }[] = [];

  private constructor(readonly socket: Socket) {
    socket.on('message', (data, from) => this.got.push({ text: String(data), atMs: performance.now(), from }));
  }

  static async open(): Promise<Peer> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1024 * 1024 });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    toClose.push(() => void socket.close());
    return new Peer(socket);
  }

  get texts(): string[] {
    return this.got.map(({ text }) => text);
  }

  get port(): number {
    return this.socket.address().port;
  }

  async send(text: string, port: number, host = '127.0.0.1'): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      this.socket.send(text, port, host, (error) => (error ? reject(error) : resolve())),
    );
  }

  async has(count: number): Promise<void> {
    await waitFor(`${count} packets`, () => {
      if (this.got.length < count) notYet(`there are ${this.got.length}`);
    });
  }
}

async function relayTo(target: Peer, options: Omit<UdpRelayOptions, 'targetPort'> = {}): Promise<UdpRelay> {
  const relay = await UdpRelay.start({ targetPort: target.port, ...options });
  toClose.push(() => relay.close());
  return relay;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

async function settled(relay: UdpRelay, sent: number): Promise<void> {
  await waitFor(`${sent} forwarded or dropped packets`, () => {
    const { forwarded, dropped } = relay.up;
    if (forwarded + dropped < sent) notYet(`${forwarded} and ${dropped} of ${sent} are`);
  });
}

test('UdpRelay: each client has a separate path to the target and back', async () => {
  const [server, one, other] = [await Peer.open(), await Peer.open(), await Peer.open()];
  server.socket.on('message', (data, from) => server.socket.send(`re ${String(data)}`, from.port, from.address));
  const relay = await relayTo(server, { host: '127.0.0.2' });

  await one.send('a', relay.port, '127.0.0.2');
  await other.send('b', relay.port, '127.0.0.2');
  await Promise.all([one.has(1), other.has(1)]);
  await one.send('c', relay.port, '127.0.0.2');
  await one.has(2);

  expect(one.texts).toEqual(['re a', 're c']);
  expect(other.texts).toEqual(['re b']);
  expect(one.got.every(({ from }) => from.address === '127.0.0.2' && from.port === relay.port)).toBe(true);
  expect(new Set(server.got.map(({ from }) => from.port)).size).toBe(2);
  expect([relay.up.forwarded, relay.down.forwarded, relay.up.dropped, relay.down.dropped]).toEqual([3, 3, 0, 0]);
});

test('UdpRelay: packets from other addresses than the target are not forwarded to clients', async () => {
  const [server, stranger, client] = [await Peer.open(), await Peer.open(), await Peer.open()];
  const relay = await relayTo(server);
  await client.send('a', relay.port);
  await server.has(1);
  const upstream = server.got[0]!.from.port;
  await stranger.send('forged', upstream);
  await server.send('true', upstream);
  await client.has(1);
  expect(client.texts).toEqual(['true']);
});

test('UdpRelay: loses the configured share, the same packets for the same seed, and applies changed settings', async () => {
  const rounds: string[][] = [];
  for (const _ of [1, 2]) {
    const [server, client] = [await Peer.open(), await Peer.open()];
    const relay = await relayTo(server, { up: { loss: 0.3 }, seed: 7 });
    for (const text of numbers(500)) await client.send(text, relay.port);
    await settled(relay, 500);
    await server.has(relay.up.forwarded);
    expect(relay.up.dropped).toBeGreaterThan(100);
    expect(relay.up.dropped).toBeLessThan(200);
    expect(server.got).toHaveLength(500 - relay.up.dropped);
    rounds.push([...server.texts]);

    const lost = relay.up.dropped;
    relay.up.impair({ loss: 0 });
    for (const text of numbers(100)) await client.send(text, relay.port);
    await settled(relay, 600);
    expect(relay.up.dropped).toBe(lost);
    relay.up.impair({ loss: 1 });
    for (const text of numbers(10)) await client.send(text, relay.port);
    await settled(relay, 610);
    expect(relay.up.dropped).toBe(lost + 10);
  }
  expect(rounds[0]).toEqual(rounds[1]);
});

test('UdpRelay: every packet is delayed by delayMs at least, and the jitter keeps the order', async () => {
  const [server, client] = [await Peer.open(), await Peer.open()];
  const relay = await relayTo(server, { up: { delayMs: 20, jitterMs: 30 }, seed: 4 });
  const sentMs: number[] = [];
  for (const text of numbers(300)) {
    sentMs.push(performance.now());
    await client.send(text, relay.port);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await server.has(300);
  expect(server.texts).toEqual(numbers(300));
  const tookMs = server.got.map(({ atMs }, index) => atMs - sentMs[index]!);
  expect(Math.min(...tookMs)).toBeGreaterThanOrEqual(20);
  // The jitter varies: some packets have most of it.
  expect(Math.max(...tookMs)).toBeGreaterThanOrEqual(45);
});

test('UdpRelay: packets are reordered without keepOrder', async () => {
  const [server, client] = [await Peer.open(), await Peer.open()];
  const relay = await relayTo(server, { up: { jitterMs: 50 }, keepOrder: false });
  for (const text of numbers(300)) {
    await client.send(text, relay.port);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await server.has(300);
  expect(server.texts).not.toEqual(numbers(300));
  expect(server.texts.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(300));
});

test('UdpRelay: packets above maxInFlight are dropped', async () => {
  const [server, client] = [await Peer.open(), await Peer.open()];
  const relay = await relayTo(server, { up: { delayMs: 600_000 }, maxInFlight: 10 });
  for (const text of numbers(25)) await client.send(text, relay.port);
  await waitFor('15 dropped packets', () => relay.up.dropped === 15 || notYet(`there are ${relay.up.dropped}`));
  expect(relay.up.inFlight).toBe(10);
});

test('UdpRelay: a bit rate holds for each client by itself, and drops what waits for longer than 100 ms', async () => {
  const [server, one, other] = [await Peer.open(), await Peer.open(), await Peer.open()];
  // 20 packets of 1000 bytes each: 400 ms at 400 kbit/s.
  server.socket.on('message', (_, from) => {
    for (const number of numbers(20)) server.socket.send(number.padEnd(1000), from.port, from.address);
  });
  const relay = await relayTo(server, { downBitrate: 400_000 });
  const began = performance.now();
  await Promise.all([one.send('go', relay.port), other.send('go', relay.port)]);
  await waitFor('all packets', () => {
    if (one.got.length + other.got.length + relay.down.dropped < 40) notYet(`${relay.down.dropped} were dropped`);
  });
  for (const { got, texts } of [one, other]) {
    expect(texts[0]!.trim()).toBe('0');
    expect(got.length).toBeGreaterThanOrEqual(5);
    expect(got.length).toBeLessThan(20);
    // Each packet takes 20 ms.
    expect(got.at(-1)!.atMs - began).toBeGreaterThanOrEqual(20 * got.length - 5);
  }
});

test('UdpRelay: a client above maxClients evicts the one that has been idle for longest', async () => {
  const server = await Peer.open();
  const relay = await relayTo(server, { maxClients: 2 });
  const clients = [await Peer.open(), await Peer.open(), await Peer.open()] as const;
  for (const [index, client] of [clients[0], clients[1], clients[0], clients[2]].entries()) {
    await client.send(String(index), relay.port);
    await server.has(index + 1);
  }
  expect(relay.clients).toBe(2);
  // The first client sent again after the second, and still receives replies.
  await server.send('still here', server.got[0]!.from.port);
  await clients[0].has(1);
  expect(clients[0].texts).toEqual(['still here']);
});

test('packets that are not impaired are relayed although all others are lost', async () => {
  const target = await Peer.open();
  const relay = await UdpRelay.start({
    targetPort: target.socket.address().port,
    up: { loss: 1 },
    impairs: (packet) => String(packet) === 'lost',
  });
  toClose.push(() => relay.close());
  const client = await Peer.open();
  for (const text of ['lost', 'kept', 'lost', 'last']) client.socket.send(text, relay.port, '127.0.0.1');
  await waitFor(
    'the last packet',
    () => target.texts.includes('last') || notYet(`arrived: ${target.texts.join(', ')}`),
  );
  expect(target.texts).toEqual(['kept', 'last']);
});

test('RTP is distinguished from RTCP, STUN and DTLS', () => {
  const is = (...bytes: number[]): boolean => isRtp(Buffer.from(bytes));
  expect([is(0x80, 96), is(0x90, 0xe0), is(0x80, 200), is(0x00, 0x01), is(22, 254), isRtp(Buffer.alloc(0))]).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});
