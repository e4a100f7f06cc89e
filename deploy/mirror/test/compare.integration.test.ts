import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newApiKey } from '@flotilla/auth';
import { Child } from '@flotilla/processes';
import { notYet, RestApi, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { expect, onTestFinished, test } from 'vitest';
import type { Report } from '../src/comparison.ts';
import { startMirror } from './nginx.ts';

const registry = fileURLToPath(new URL('../../../services/room-registry/dist/main.js', import.meta.url));
const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** Starts a registry as a process for the running test. */
async function startRegistry(env: Record<string, string>): Promise<string> {
  const { redisUrl, amqpUrl } = testBrokers();
  const child = new Child('registry', process.execPath, [registry], {
    env: {
      PATH: process.env['PATH'],
      REDIS_URL: redisUrl,
      AMQP_URL: amqpUrl,
      FLOTILLA_TOKEN_SECRET: 's'.repeat(32),
      FLOTILLA_REST_HOST: '127.0.0.1',
      FLOTILLA_REST_PORT: '0',
      FLOTILLA_ADMIN_HOST: '127.0.0.1',
      FLOTILLA_ADMIN_PORT: '0',
      FLOTILLA_STOP_DELAY_SECONDS: '0',
      ...env,
    },
  });
  onTestFinished(async () => {
    await child.stop();
  });
  const [, address] = await child.line(/"url":"http:\/\/([^"/]+)/, 90_000);
  return address!;
}

const linesIn = (path: string): number => readFileSync(path, 'utf8').split('\n').length - 1;

test('requests that nginx mirrors are paired and compared, and a release that answers differently is found', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-compare-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const namespace = uniqueName('t');
  const [key, limited] = [newApiKey('operator', '*'), newApiKey('limited', ['rooms', 'read'])];
  const captures = { production: join(dir, 'production.jsonl'), shadow: join(dir, 'shadow.jsonl') };
  const productionStart = startRegistry({
    FLOTILLA_NAMESPACE: namespace,
    FLOTILLA_CAPTURE_FILE: captures.production,
    FLOTILLA_API_KEYS: `${key.entry},${limited.entry}`,
  });
  const shadowStart = startRegistry({
    FLOTILLA_NAMESPACE: `${namespace}-shadow`,
    FLOTILLA_SHADOW_OF: namespace,
    FLOTILLA_CAPTURE_FILE: captures.shadow,
    // This release does not know the second key.
    FLOTILLA_API_KEYS: key.entry,
  });
  const [production, shadow] = await Promise.all([productionStart, shadowStart]);
  const url = await startMirror({ production, shadow });
  const api = new RestApi(url, key.key);
  // The copy of a request may arrive after that of the next one, which is about the same room.
  const send = async (by: RestApi, method: string, path: string, body?: object): Promise<number> => {
    const before = linesIn(captures.shadow);
    const { status } = await by.request(method, path, body);
    await waitFor('it is mirrored', () => linesIn(captures.shadow) > before || notYet('it is not'));
    return status;
  };
  expect(await send(api, 'POST', '/v1/rooms', { name: 'daily' })).toBe(201);
  expect(await send(api, 'POST', '/v1/rooms', {})).toBe(201);
  expect(await send(api, 'POST', '/v1/rooms/daily/tokens', { grants: ['publish'] })).toBe(201);
  expect(await send(api, 'GET', '/v1/rooms')).toBe(200);
  expect(await send(api, 'GET', '/v1/nodes')).toBe(200);
  expect(await send(api, 'DELETE', '/v1/rooms/daily')).toBe(204);

  const compare = async (): Promise<{ code: number | string; report: Report }> => {
    const json = join(dir, 'report.json');
    const args = ['--production', captures.production, '--shadow', captures.shadow, '--exact', '--json', json];
    const code = await new Child('compare', process.execPath, [program, ...args]).exited;
    return { code, report: JSON.parse(readFileSync(json, 'utf8')) as Report };
  };
  const same = await compare();
  expect(same.report.examples).toEqual([]);
  expect(same).toMatchObject({ code: 0, report: { pairs: 6, unmatched: 0, total: { status: 0, body: 0, state: 0 } } });

  expect(await send(new RestApi(url, limited.key), 'GET', '/v1/rooms')).toBe(200);
  const different = await compare();
  expect(different).toMatchObject({ code: 1, report: { pairs: 7, total: { status: 1, body: 0, state: 0 } } });
  expect(different.report.examples[0]).toMatchObject({
    request: 'GET /v1/rooms',
    differences: [
      { at: 'status', production: 200, shadow: 403 },
      { at: '/error/code', shadow: 'FORBIDDEN' },
    ],
  });
  const written = readFileSync(captures.production, 'utf8') + readFileSync(captures.shadow, 'utf8');
  for (const secret of [key.key, limited.key, 'eyJ']) expect(written).not.toContain(secret);
}, 180_000);
