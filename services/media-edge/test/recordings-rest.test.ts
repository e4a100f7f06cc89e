import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiKeyList, newApiKey } from '@flotilla/auth';
import { freePort } from '@flotilla/processes';
import {
  createLogger,
  loadConfig,
  nestLogger,
  protectionOf,
  protectServer,
  serverLimitsConfig,
} from '@flotilla/runtime';
import { RestApi } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { expect, onTestFinished, test } from 'vitest';
import { ApiKeys } from '../src/inbound/api-keys.ts';
import { MediaEdgeModule } from '../src/media-edge.module.ts';
import { UdpPorts } from '../src/rtp/udp-ports.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const token = { token: 'token', userId: 'recording', expiresAt: '2030-01-01T00:00:00Z' };
const named = {
  rooms: newApiKey('rooms', ['rooms']),
  read: newApiKey('read', ['read']),
  all: newApiKey('x@acme', '*'),
};

/**
 * The REST API of an edge whose registry issues tokens, and whose gateway cannot be reached; with each of the keys.
 *
 * @param perSecond requests of each key per second
 * @param limits settings of the limits before a key is known
 */
async function serve(
  perSecond = 1000,
  limits = {},
): Promise<{ apis: Record<keyof typeof named | 'none', RestApi>; url: string; records: unknown[] }> {
  const records: unknown[] = [];
  const parent = mkdtempSync(join(tmpdir(), 'flotilla-recordings-'));
  const keys = apiKeyList().parse(
    Object.values(named)
      .map(({ entry }) => entry)
      .join(','),
  );
  const common = {
    signalUrl: `http://127.0.0.1:${await freePort()}`,
    registry: {
      url: 'http://registry.test',
      fetch: () => Promise.resolve(Response.json(token, { status: 201 })),
    },
    giveUpMs: 60_000,
    log,
  };
  const apiKeys = new ApiKeys(() => keys, perSecond, { info: (record: unknown) => void records.push(record) });
  const app = await NestFactory.create(
    MediaEdgeModule.register({
      ingests: {
        ...common,
        ports: new UdpPorts('127.0.0.1', { min: 42_000, max: 42_001 }),
        ...{ announcedAddress: '127.0.0.1', maxIngests: 1, maxBitsPerSecond: 1_000_000 },
      },
      recordings: {
        ...common,
        directory: join(parent, 'recordings'),
        ...{ maxRecordings: 2, maxTracks: 10, minFreeBytes: 0, idleMs: 60_000 },
      },
      keys: apiKeys,
      log,
    }),
    { logger: nestLogger(log) },
  );
  onTestFinished(async () => {
    await app.close();
    rmSync(parent, { recursive: true });
  });
  const protection = protectionOf(loadConfig(serverLimitsConfig, limits), log);
  protectServer(app, { ...protection, authenticate: apiKeys.authenticate });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const apiOf = (key: string | undefined): RestApi => new RestApi(url, key);
  const { rooms, read, all } = named;
  const apis = { rooms: apiOf(rooms.key), read: apiOf(read.key), all: apiOf(all.key), none: apiOf(undefined) };
  return { apis, url, records };
}

test('recordings are started and stopped with the scope rooms, shown with read, and refused to keys of a tenant', async () => {
  const { rooms, read, all, none } = (await serve()).apis;
  const path = '/v1/rooms/lobby/recordings';
  const statuses = async (method: string, at: string): Promise<number[]> => {
    const answers = await Promise.all([rooms, read, all, none].map((api) => api.request(method, at)));
    return answers.map(({ status }) => status);
  };
  expect(await statuses('POST', path)).toEqual([201, 403, 403, 401]);
  expect(await statuses('GET', path)).toEqual([403, 200, 403, 401]);
  const { recordings } = (await read.request('GET', path)).body as { recordings: { id: string }[] };
  expect(recordings).toHaveLength(1);
  const one = `${path}/${recordings[0]!.id}`;
  expect(await statuses('GET', one)).toEqual([403, 200, 403, 401]);
  expect(await statuses('DELETE', one)).toEqual([200, 403, 403, 401]);
  const { status, body } = await rooms.request('POST', path, '{}', { 'content-type': 'text/plain' });
  expect({ status, body }).toMatchObject({ status: 415, body: { error: { code: 'UNSUPPORTED_MEDIA_TYPE' } } });
});

test('each write with a known key has one audit record with its outcome, refused ones too, and reads have none', async () => {
  const { apis, records } = await serve();
  const { rooms, read, all, none } = apis;
  const [recordings, ingests] = ['/v1/rooms/lobby/recordings', '/v1/rooms/lobby/ingests'];
  const { id: recording } = (await rooms.request('POST', recordings)).body as { id: string };
  await read.request('POST', recordings);
  await all.request('POST', ingests, {});
  await none.request('POST', ingests, {});
  await rooms.request('POST', ingests, {});
  await read.request('GET', recordings);
  await rooms.request('GET', recordings);
  await rooms.request('DELETE', `${ingests}/unknown`);
  await rooms.request('DELETE', `${recordings}/${recording}`);
  const of = (key: string, action: string, outcome: string, target = {}) =>
    expect.objectContaining({ audit: true, key, action, outcome, target: { room: 'lobby', ...target } }) as object;
  expect(records).toEqual([
    of('rooms', 'createRecording', 'ok', { recording }),
    of('read', 'createRecording', 'FORBIDDEN'),
    of('x', 'createIngest', 'FORBIDDEN'),
    of('rooms', 'createIngest', 'BAD_PAYLOAD'),
    of('rooms', 'deleteIngest', 'NOT_FOUND', { ingest: 'unknown' }),
    of('rooms', 'stopRecording', 'ok', { recording }),
  ]);
});

test('a request whose body cannot be read is audited, and counts for the rate of its key', async () => {
  const { url, records } = await serve(1);
  const headers = { authorization: `Bearer ${named.rooms.key}`, 'content-type': 'application/json' };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => fetch(`${url}/v1/rooms/lobby/ingests`, { method: 'POST', headers, body: '{' })),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400, 429]));
  const write = { audit: true, key: 'rooms', action: 'createIngest', target: { room: 'lobby' } };
  expect(records).toHaveLength(20);
  expect(records).toContainEqual({ ...write, outcome: 'BAD_PAYLOAD' });
  expect(records).toContainEqual({ ...write, outcome: 'RATE_LIMITED' });
});

test('a write above the rate of its key is audited, and unknown keys of an address are refused with 429 above its rate', async () => {
  const { apis, url, records } = await serve(1, { FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: '1' });
  const path = '/v1/rooms/lobby/ingests';
  const sent = await Promise.all(Array.from({ length: 30 }, () => apis.rooms.request('POST', path, {})));
  expect(new Set(sent.map(({ status }) => status))).toEqual(new Set([400, 429]));
  const outcomes = records.map((record) => (record as { outcome: string }).outcome);
  expect(outcomes).toHaveLength(30);
  expect(new Set(outcomes)).toEqual(new Set(['BAD_PAYLOAD', 'RATE_LIMITED']));
  const answers = await Promise.all(
    Array.from({ length: 60 }, () =>
      fetch(url + path, { method: 'POST', headers: { authorization: 'Bearer unknown' } }),
    ),
  );
  const refused = answers.find(({ status }) => status === 429);
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answers.some(({ status }) => status === 403)).toBe(true);
  expect(records).toHaveLength(30);
});
