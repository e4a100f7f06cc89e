import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiKeyList, newApiKey } from '@flotilla/auth';
import { freePort } from '@flotilla/processes';
import { createLogger, nestLogger } from '@flotilla/runtime';
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

/** The REST API of an edge whose registry issues tokens, and whose gateway cannot be reached; with each of the keys. */
async function serve(): Promise<Record<keyof typeof named | 'none', RestApi>> {
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
      keys: new ApiKeys(() => keys, 1000),
      log,
    }),
    { logger: nestLogger(log) },
  );
  onTestFinished(async () => {
    await app.close();
    rmSync(parent, { recursive: true });
  });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const apiOf = (key: string | undefined): RestApi => new RestApi(url, key);
  const { rooms, read, all } = named;
  return { rooms: apiOf(rooms.key), read: apiOf(read.key), all: apiOf(all.key), none: apiOf(undefined) };
}

test('recordings are started and stopped with the scope rooms, shown with read, and refused to keys of a tenant', async () => {
  const { rooms, read, all, none } = await serve();
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
