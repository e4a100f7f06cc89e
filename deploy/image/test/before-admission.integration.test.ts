import { fileURLToPath } from 'node:url';
import { newApiKey } from '@flotilla/auth';
import { adminUrlOf, Child, freePort } from '@flotilla/processes';
import { testBrokers } from '@flotilla/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { configurations } from '../src/configurations.ts';

const entry = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const { key, entry: apiKeys } = newApiKey('backend', ['read']);

/** The services that serve clients by HTTP: the prefix of their host and port, a path, and what they need. */
const servers: Record<string, { prefix: string; path: string; settings: Record<string, string> }> = {
  gateway: { prefix: 'SIGNAL', path: '/v1/asyncapi.json', settings: { FLOTILLA_TOKEN_SECRET: 'x'.repeat(32) } },
  registry: {
    prefix: 'REST',
    path: '/v1/rooms',
    settings: { FLOTILLA_TOKEN_SECRET: 'x'.repeat(32), FLOTILLA_API_KEYS: apiKeys },
  },
  console: { prefix: 'CONSOLE', path: '/', settings: {} },
  'media-edge': {
    prefix: 'EDGE',
    path: '/v1/rooms/a/ingests',
    settings: { FLOTILLA_API_KEYS: apiKeys },
  },
};

test('each service behind load balancers is one of these', () => {
  const serving = Object.entries(configurations)
    .filter(([, { shape }]) => 'FLOTILLA_STOP_DELAY_SECONDS' in shape)
    .map(([name]) => name);
  expect(serving.toSorted()).toEqual(Object.keys(servers).toSorted());
});

describe.each(Object.entries(servers))('the HTTP server of the %s', (service, { prefix, path, settings }) => {
  test('limits requests without a valid key by their address, and neither those with one nor the admin port', async () => {
    const port = await freePort();
    const { redisUrl, amqpUrl } = testBrokers();
    const usesBrokers = 'REDIS_URL' in configurations[service as keyof typeof configurations].shape;
    const child = new Child(service, process.execPath, [entry, service], {
      env: {
        PATH: process.env['PATH'],
        FLOTILLA_ADMIN_HOST: '127.0.0.1',
        FLOTILLA_ADMIN_PORT: '0',
        FLOTILLA_STOP_DELAY_SECONDS: '0',
        FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: '1',
        [`FLOTILLA_${prefix}_HOST`]: '127.0.0.1',
        [`FLOTILLA_${prefix}_PORT`]: String(port),
        ...(usesBrokers && { REDIS_URL: redisUrl, AMQP_URL: amqpUrl, FLOTILLA_NAMESPACE: 'before-admission' }),
        ...settings,
      },
    });
    onTestFinished(async () => void (await child.stop()));
    await child.line(/"started"/);
    const url = `http://127.0.0.1:${port}`;
    const send = (to: string | URL, headers = {}) =>
      Promise.all(
        Array.from({ length: 60 }, async () => {
          const response = await fetch(to, { headers });
          await response.arrayBuffer();
          return response;
        }),
      );
    const refused = (await send(url + path, { authorization: 'Bearer unknown' })).filter(
      ({ status }) => status === 429,
    );
    expect(refused.length).toBeGreaterThan(0);
    expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
    if ('FLOTILLA_API_KEYS' in settings) {
      const answers = await send(url + path, { authorization: `Bearer ${key}` });
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    }
    const admin = await adminUrlOf(child);
    const probes = await send(new URL('/livez', admin));
    expect(new Set(probes.map(({ status }) => status))).toEqual(new Set([200]));
    const metrics = await (await fetch(new URL('/metrics', admin))).text();
    expect(metrics).toMatch(
      new RegExp(`http_requests_refused_total\\{reason="RATE_LIMITED"[^}]*\\} ${refused.length}\\n`),
    );
  });
});
