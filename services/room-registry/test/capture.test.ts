import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Exchange } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CaptureFile } from '../src/mirror/capture-file.ts';
import { registryConfig } from '../src/index.ts';
import { mirrorMiddleware } from '../src/mirror/middleware.ts';
import { redact } from '../src/mirror/redact.ts';
import { startRegistry } from './harness.ts';

const log = createLogger({ service: 'test', level: 'silent' });

function temporaryFile(): string {
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-capture-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return join(dir, 'capture.jsonl');
}

const linesOf = (path: string): Exchange[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => Exchange.parse(JSON.parse(line)));

async function startCapturing() {
  const path = temporaryFile();
  const mirror = mirrorMiddleware(
    {
      FLOTILLA_NAMESPACE: 'fl',
      FLOTILLA_SHADOW_OF: undefined,
      FLOTILLA_CAPTURE_FILE: path,
      FLOTILLA_CAPTURE_MEGABYTES: 1,
    },
    log,
  );
  onTestFinished(mirror.close);
  return { ...(await startRegistry(undefined, { before: mirror.handlers })), path };
}

describe('the capture of a registry', () => {
  test('has the responses of requests with an id, by their routes, and no others', async () => {
    const { api, path } = await startCapturing();
    await api.request('POST', '/v1/rooms', { name: 'unmarked' });
    await api.request('POST', '/v1/rooms', { name: 'daily' }, { 'x-request-id': 'r1' });
    await api.request('GET', '/v1/rooms/none?x=1', undefined, {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    await api.request('GET', '/nowhere', undefined, { 'x-request-id': 'r3' });
    await api.request('GET', '/v1/rooms', undefined, { 'x-request-id': 'not an id' });
    await waitFor('they are written', () => linesOf(path).length >= 3 || notYet('they are not'));
    expect(linesOf(path)).toMatchObject([
      { requestId: 'r1', method: 'POST', path: '/v1/rooms', route: '/v1/rooms', status: 201, body: { name: 'daily' } },
      {
        requestId: '0af7651916cd43dd8448eb211c80319c',
        path: '/v1/rooms/none?x=1',
        route: '/v1/rooms/:room',
        status: 404,
        body: { error: { code: 'ROOM_NOT_FOUND' } },
      },
      { requestId: 'r3', path: '/nowhere', status: 404 },
    ]);
    expect(linesOf(path)[2]).not.toHaveProperty('route');
  });

  test('contains no token and no API key, wherever a request or a response has them', async () => {
    const { api, key, path } = await startCapturing();
    const issued = await api.request('POST', '/v1/tokens', { grants: [] }, { 'x-request-id': 'r1' });
    const { token } = issued.body as { token: string };
    await api.request('GET', `/v1/rooms/${key}`, undefined, { 'x-request-id': 'r2' });
    await api.request('GET', `/v1/rooms?cursor=${token}`, undefined, { 'x-request-id': 'r3' });
    await waitFor('they are written', () => linesOf(path).length >= 3 || notYet('they are not'));
    const text = readFileSync(path, 'utf8');
    expect(text).not.toContain(key);
    expect(text).not.toContain(token);
    expect(linesOf(path)[0]).toMatchObject({ status: 201, body: { token: '<redacted>' } });
    expect(statSync(path).mode & 0o077).toBe(0);
  });
});

test('redaction replaces secret fields of any depth, and secrets inside texts', () => {
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';
  expect(redact({ list: [{ apiKey: 'k', text: `no ${jwt}, no k3y` }], token: null, n: 1 }, ['k3y'])).toEqual({
    list: [{ apiKey: '<redacted>', text: 'no <redacted>, no <redacted>' }],
    token: null,
    n: 1,
  });
});

describe('a capture file', () => {
  test('keeps to its size with the previous one, and loses the oldest lines', async () => {
    const path = temporaryFile();
    const file = new CaptureFile(path, 2000, log);
    for (let index = 0; index < 100; index++) file.write(`${index}`.padStart(99, '.'));
    await file.close();
    const [previous, current] = [`${path}.1`, path].map((each) => readFileSync(each, 'utf8'));
    expect(previous!.length).toBeLessThanOrEqual(1000);
    expect(current!.length).toBeLessThanOrEqual(1000);
    const kept = `${previous}${current}`.trim().split('\n');
    expect(kept.at(-1)).toBe('99'.padStart(99, '.'));
    expect(kept.length).toBeGreaterThanOrEqual(10);
  });

  test('continues after a restart, and counts what was written before', async () => {
    const path = temporaryFile();
    for (const line of ['a'.repeat(600), 'b'.repeat(600)]) {
      const file = new CaptureFile(path, 2000, log);
      file.write(line);
      await file.close();
    }
    expect(readFileSync(`${path}.1`, 'utf8')).toBe(`${'a'.repeat(600)}\n`);
    expect(readFileSync(path, 'utf8')).toBe(`${'b'.repeat(600)}\n`);
  });

  test('that cannot be opened stops the start with its name', () => {
    expect(() => new CaptureFile('/nowhere/capture.jsonl', 2000, log)).toThrow(/FLOTILLA_CAPTURE_FILE: .*ENOENT/s);
  });
});

test('a shadow release in the namespace of production is refused', () => {
  const settings = (namespace: string) =>
    registryConfig.safeParse({
      FLOTILLA_NAMESPACE: namespace,
      FLOTILLA_SHADOW_OF: 'fl',
      FLOTILLA_TOKEN_SECRET: 's'.repeat(32),
    });
  expect(settings('fl-shadow').success).toBe(true);
  expect(settings('fl').error?.issues).toMatchObject([{ path: ['FLOTILLA_NAMESPACE'] }]);
  expect(settings('fl').error?.issues[0]?.message).toContain('is that of production');
});
