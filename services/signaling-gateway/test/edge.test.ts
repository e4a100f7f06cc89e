import { createServer } from 'node:http';
import { createServer as createTlsServer, type Server } from 'node:https';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { signalPath } from '@flotilla/contracts';
import { httpAnswer, openingHandshake, RawClient, waitFor } from '@flotilla/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { acceptConnections, ServerCertificate, ServerLimits } from '@flotilla/runtime';
import { firstBytesOf } from '../src/edge/first-bytes.ts';
import { Edge } from '../src/edge/edge.ts';
import { binaryHeader, lineHeader, signature, tlsVector } from './proxy-headers.ts';
import {
  connections,
  log,
  makeCertificate,
  newToken,
  open,
  openWebSocket,
  ownAddress,
  ping,
  type RunningGateway,
  secured,
  startGateway,
} from './gateway-harness.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-transport-'));
const files = makeCertificate(directory);
const stops: (() => Promise<unknown>)[] = [];
const running = async (gateway: Promise<RunningGateway>): Promise<RunningGateway> => {
  const { stop } = await gateway;
  stops.push(stop);
  return gateway;
};
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Bytes that a connection receives until it is closed or reset. */
const answerTo = (socket: Socket): Promise<string> => text(socket.on('error', () => undefined)).catch(() => '');

const withTls = async () => ({ certificate: await ServerCertificate.load('signaling', files, log) });
const proxied = { FLOTILLA_PROXY_PROTOCOL: 'true', FLOTILLA_TRUSTED_PROXIES: '127.0.0.1' };

describe('plain HTTP from another machine', () => {
  // A non-loopback address of this machine stands for another machine.
  const addresses = ownAddress === undefined ? [] : [ownAddress];
  if (ownAddress === undefined)
    console.warn('SKIPPED: answers to other machines over plain HTTP. This machine has loopback addresses only.');
  const tlsNeeded = {
    status: 426,
    headers: { upgrade: 'TLS/1.2, HTTP/1.1, websocket', connection: expect.stringMatching(/^Upgrade/) as string },
    body: { error: { code: 'UPGRADE_REQUIRED' } },
  };

  test.each(addresses)('requests that carry a token are refused, at %s', async (address) => {
    const { port } = await running(startGateway({ host: '0.0.0.0' }));
    const endpoint = `http://${address}:${port}${signalPath}`;
    for (const [url, attempt] of [
      [endpoint, {}],
      [endpoint, { method: 'POST' }],
      [endpoint, { headers: openingHandshake }],
      [`${endpoint}?x=1`, { headers: { ...openingHandshake, 'X-Forwarded-Proto': 'https' } }],
      [`${endpoint}/validate`, { headers: { authorization: `Bearer ${await newToken()}` } }],
    ] as const)
      expect({ url, ...(await httpAnswer(url, attempt)) }).toMatchObject({ url, ...tlsNeeded });
    expect(await httpAnswer(`http://${address}:${port}/elsewhere`)).toMatchObject({ status: 404 });
    expect(await httpAnswer(`http://127.0.0.1:${port}${signalPath}`)).toMatchObject({
      headers: { upgrade: 'websocket' },
    });
  });

  test.each(addresses)(
    'clients of a TLS-terminating proxy, and all with FLOTILLA_ALLOW_PLAIN, are served, at %s',
    async (address) => {
      const trusting = await running(
        startGateway({ host: '0.0.0.0', settings: { FLOTILLA_TRUSTED_PROXIES: `${address}/32` } }),
      );
      const open = await running(startGateway({ host: '0.0.0.0', settings: { FLOTILLA_ALLOW_PLAIN: 'true' } }));
      const url = `http://${address}:${trusting.port}`;
      const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'wss' };
      const client = await RawClient.connect(url, { token: await newToken(), headers });
      await client.event('welcome');
      client.close();
      expect(await httpAnswer(`${url}${signalPath}`, { headers: openingHandshake })).toMatchObject(tlsNeeded);
      const direct = await RawClient.connect(`http://${address}:${open.port}`, { token: await newToken() });
      await direct.event('welcome');
      direct.close();
    },
  );

  test('a port that serves TLS answers plain HTTP with 426', async () => {
    const { port, url } = await running(startGateway(await withTls()));
    expect(await httpAnswer(`http://127.0.0.1:${port}${signalPath}`)).toMatchObject(tlsNeeded);
    expect(await httpAnswer(`${url}${signalPath}`, { ca: files.pem })).toMatchObject({
      headers: { upgrade: 'websocket' },
    });
  });
});

describe('path of the WebSocket endpoint', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.stop());
  const { 'Sec-WebSocket-Key': _key, ...keyless } = openingHandshake;

  test.each([
    ['a GET', {}, 426, 'UPGRADE_REQUIRED'],
    ['an Upgrade that Connection does not name', { headers: { Upgrade: 'websocket' } }, 426, 'UPGRADE_REQUIRED'],
    ['version 8', { headers: { ...openingHandshake, 'Sec-WebSocket-Version': '8' } }, 426, 'UPGRADE_REQUIRED'],
    ['a POST', { method: 'POST' }, 400, 'BAD_MESSAGE'],
    ['a DELETE with an upgrade', { method: 'DELETE', headers: openingHandshake }, 400, 'BAD_MESSAGE'],
    ['an upgrade to HTTP/2', { headers: { ...openingHandshake, Upgrade: 'h2c' } }, 400, 'BAD_MESSAGE'],
    ['no key', { headers: keyless }, 400, 'BAD_MESSAGE'],
    ['a short key', { headers: { ...openingHandshake, 'Sec-WebSocket-Key': 'AA==' } }, 400, 'BAD_MESSAGE'],
    [
      'a subprotocol twice',
      { headers: { ...openingHandshake, 'Sec-WebSocket-Protocol': 'flotilla.v1, flotilla.v1' } },
      400,
      'BAD_MESSAGE',
    ],
    ['no subprotocol', { headers: openingHandshake }, 400, 'BAD_MESSAGE'],
    [
      'a foreign page',
      { headers: { ...openingHandshake, 'Sec-WebSocket-Protocol': 'flotilla.v1', Origin: 'https://evil.example' } },
      403,
      'FORBIDDEN',
    ],
  ])('%s is refused with its error code', async (_name, attempt, status, code) => {
    const answer = await httpAnswer(`${gateway.url}${signalPath}`, attempt);
    expect(answer).toMatchObject({ status, body: { error: { code, message: expect.any(String) as string } } });
    expect(answer.headers.upgrade).toBe(status === 426 ? 'websocket' : undefined);
    if (_name.startsWith('version')) expect(answer.headers['sec-websocket-version']).toBe('13');
  });

  test('an invalid handshake does not use its token up', async () => {
    const token = await newToken();
    const headers = { ...keyless, 'Sec-WebSocket-Protocol': `flotilla.v1, flotilla.token.${token}` };
    expect(await httpAnswer(`${gateway.url}${signalPath}`, { headers })).toMatchObject({ status: 400 });
    const client = await RawClient.connect(gateway.url, { token });
    await client.event('welcome');
    client.close();
  });

  test('clients that disconnect while they are refused leave the endpoint serving', async () => {
    for (let round = 0; round < 100; round++) {
      const socket = connect({ port: gateway.port, host: '127.0.0.1' });
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      const path = round % 2 === 0 ? signalPath : '/elsewhere';
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`);
      if (round % 3 === 0) await setImmediate();
      socket.resetAndDestroy();
    }
    await waitFor('their end', async () => expect(await connections(gateway.server)).toBe(0));
    expect(await httpAnswer(`${gateway.url}${signalPath}`)).toMatchObject({ status: 426 });
  });

  test('the socket of a refused client is closed although the client keeps its half open', async () => {
    const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write(`GET ${signalPath} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1.1 400 /);
    await waitFor('the end of the connection', async () => expect(await connections(gateway.server)).toBe(0));
    socket.destroy();
  });
});

describe.each(['HTTP', 'HTTPS'])('PROXY headers before %s', (kind) => {
  let server: Server;
  let port: number;
  const ca = kind === 'HTTPS' ? files.pem : undefined;
  const { clientOf, trusts } = new Edge({ trustedProxies: ['127.0.0.1'], allowPlain: false });
  const limits = new ServerLimits({ sockets: 200, socketsPerSecond: 200, requestsPerSecond: 100 });

  beforeAll(async () => {
    const { serverOptions } = await ServerCertificate.load('signaling', files, log);
    server = (ca ? createTlsServer(serverOptions) : createServer()) as Server;
    server.on('request', (request, response) => response.end(JSON.stringify(clientOf(request))));
    const readFirst = firstBytesOf(server, { proxyProtocol: true, tls: ca !== undefined }, trusts);
    acceptConnections(server, { trusts, limits, log, readFirst });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => server.close());

  const clientSeen = async (socket: Socket): Promise<object> => {
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.99\r\n\r\n');
    const answer = await text(socket);
    return JSON.parse(/\{.*\}/.exec(answer)?.[0] ?? '{}') as object;
  };

  test.each([
    ['version 1', lineHeader('203.0.113.7'), '203.0.113.7', false],
    ['version 1, IPv6', lineHeader('2001:db8:0::7'), '2001:db8::7', false],
    ['version 2', binaryHeader(), '203.0.113.7', false],
    ['version 2 with TLS', binaryHeader({ vectors: tlsVector(1) }), '203.0.113.7', true],
  ])('the client is the one in %s', async (_name, header, address, secure) => {
    expect(await clientSeen(open(port, header, ca))).toEqual({ address, secure: secure || ca !== undefined });
  });

  test('after a LOCAL header the X-Forwarded-For of the proxy counts', async () => {
    const header = binaryHeader({ versionAndCommand: 0x20, family: 0, addresses: Buffer.alloc(0) });
    expect(await clientSeen(open(port, header, ca))).toMatchObject({ address: '192.0.2.99' });
  });

  test('a header in two parts is parsed at any split, the second part with the first bytes after it', async () => {
    const header = binaryHeader({ vectors: tlsVector(1) });
    for (let at = 1; at <= header.length; at++) {
      const socket = open(port, header.subarray(0, at));
      await once(socket, 'connect');
      await waitFor('its arrival', async () => expect(await connections(server)).toBe(1), { everyMs: 1 });
      await setImmediate();
      socket.write(header.subarray(at));
      expect({ at, ...(await clientSeen(secured(socket, ca))) }).toEqual({ at, address: '203.0.113.7', secure: true });
      await waitFor('its end', async () => expect(await connections(server)).toBe(0), { everyMs: 1 });
    }
  });

  test.each([
    ['without a header', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['with a malformed header', Buffer.from('PROXY TCP4 here there 1 2\r\n')],
    ['with a header too long', Buffer.concat([signature, Buffer.from([0x21, 0x11, 0xff, 0xff])])],
  ])('a connection %s is closed without an answer', async (_name, bytes) => {
    expect(await answerTo(open(port, bytes))).toBe('');
  });

  test('garbage and connections that end at any point leave the server serving', async () => {
    const starts = [
      lineHeader('203.0.113.7'),
      binaryHeader({ vectors: tlsVector(1) }),
      Buffer.from('\x16\x03\x01'),
      Buffer.from('GET / '),
    ];
    for (let round = 0; round < 200; round++) {
      const start = starts[round % starts.length]!;
      const bytes = Buffer.concat([start.subarray(0, randomInt(start.length + 1)), randomBytes(randomInt(200))]);
      const socket = open(port, bytes);
      socket.on('error', () => undefined);
      if (round % 3 === 0) await once(socket, 'connect');
      if (round % 2 === 0) socket.resetAndDestroy();
      else socket.destroySoon();
    }
    await waitFor('their end', async () => expect(await connections(server)).toBe(0));
    expect(await clientSeen(open(port, binaryHeader(), ca))).toMatchObject({ address: '203.0.113.7' });
  });

  test('a connection whose header stays incomplete is closed after 5 s', async () => {
    const began = performance.now();
    const socket = open(port, 'PROXY TCP4');
    await once(socket, 'close');
    expect(performance.now() - began).toBeGreaterThan(4500);
    expect(performance.now() - began).toBeLessThan(8000);
  });
});

describe('gateway behind a load balancer', () => {
  test.each(['plain', 'TLS'])('a WebSocket is opened, %s', async (kind) => {
    const { port } = await running(startGateway({ settings: proxied, ...(kind === 'TLS' && (await withTls())) }));
    const ca = kind === 'TLS' ? files.pem : undefined;
    for (const header of [lineHeader('203.0.113.7'), binaryHeader({ vectors: tlsVector(1) })]) {
      // Version 1 can't declare terminated TLS, so plain HTTP is refused.
      const websocket = openWebSocket(open(port, header, ca));
      if (ca === undefined && header[0] === 0x50) {
        await expect(websocket).rejects.toThrow('426');
        continue;
      }
      const socket = await websocket;
      expect(await ping(socket)).toMatchObject({ replyTo: 'p', ok: true });
      socket.close();
    }
  });

  test.each([
    ['of a client is closed after 5 s', lineHeader('203.0.113.7'), [5000, 6000]],
    ['that the balancer opened for itself is kept', Buffer.from('PROXY UNKNOWN\r\n'), [620_000]],
    ['of a trusted proxy before it is kept', lineHeader('127.0.0.1'), [620_000]],
  ])('an idle connection %s, with and without TLS', async (_name, header, timeouts) => {
    for (const certificate of [undefined, (await withTls()).certificate]) {
      const { port, server } = await running(
        startGateway({ settings: proxied, ...(certificate !== undefined && { certificate }) }),
      );
      const requested = once(server, 'request') as Promise<[{ socket: Socket }]>;
      const socket = open(port, header, certificate && files.pem);
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(socket, 'data');
      const [request] = await requested;
      await waitFor('its time limit', () => expect(timeouts).toContain(request.socket.timeout));
      socket.destroy();
    }
  });

  test('a connection that bypasses it is closed', async () => {
    const settings = { ...proxied, FLOTILLA_TRUSTED_PROXIES: '192.0.2.250' };
    const { port } = await running(startGateway({ settings }));
    const request = `GET ${signalPath} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    expect(await answerTo(open(port, Buffer.concat([lineHeader('203.0.113.7'), Buffer.from(request)])))).toBe('');
  });
});
