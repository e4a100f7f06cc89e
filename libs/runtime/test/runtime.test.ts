import { createServer } from 'node:http';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  announcedFor,
  ConfigError,
  createLogger,
  describeConfig,
  flag,
  Health,
  list,
  listeningUrl,
  loadConfig,
  pickEnv,
  port,
  portRange,
  retry,
  startAdminServer,
  StopList,
  wholeNumber,
} from '../src/index.ts';

const schema = z.object({
  FLOTILLA_PORT: port().default(8080).describe('Where it listens.'),
  FLOTILLA_SECRET: z.string().min(8).describe('Kept.'),
  FLOTILLA_OPEN: flag().default(false),
  FLOTILLA_ORIGINS: list().default([]),
  FLOTILLA_COUNT: wholeNumber().default(3),
});

describe('configuration', () => {
  test('is read from the environment, with defaults', () => {
    expect(
      loadConfig(schema, {
        FLOTILLA_SECRET: 'long enough',
        FLOTILLA_PORT: '0',
        FLOTILLA_OPEN: 'yes',
        FLOTILLA_ORIGINS: 'a, b,',
        FLOTILLA_COUNT: '',
        PATH: 'x',
      }),
    ).toEqual({
      FLOTILLA_PORT: 0,
      FLOTILLA_SECRET: 'long enough',
      FLOTILLA_OPEN: true,
      FLOTILLA_ORIGINS: ['a', 'b'],
      FLOTILLA_COUNT: 3,
    });
  });

  test('reports every invalid or unknown setting at once, with the closest known name', () => {
    const failure = (() => {
      try {
        return loadConfig(schema, {
          FLOTILLA_PORT: '99999',
          FLOTILLA_OPEN: 'perhaps',
          FLOTILLA_SECERT: 'x',
          FLOTILLA_WHATEVER: 'x',
        });
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toBeInstanceOf(ConfigError);
    const { message } = failure as ConfigError;
    expect(message).toMatch(/FLOTILLA_PORT: /);
    expect(message).toMatch(/FLOTILLA_OPEN: /);
    expect(message).toMatch(/FLOTILLA_SECRET is required/);
    expect(message).toMatch(/FLOTILLA_SECERT is not a setting of this service; did you mean FLOTILLA_SECRET\?/);
    expect(message).toMatch(/FLOTILLA_WHATEVER is not a setting of this service$/m);
  });

  test('a child service gets its own settings and all variables outside Flotilla', () => {
    expect(pickEnv(schema, { FLOTILLA_PORT: '1', FLOTILLA_OTHER: '2', PATH: '3', EMPTY: undefined })).toEqual({
      FLOTILLA_PORT: '1',
      PATH: '3',
    });
  });

  test('takes a range of ports, the lower one first', () => {
    const range = z.object({ FLOTILLA_PORTS: portRange() });
    expect(loadConfig(range, { FLOTILLA_PORTS: '41000-41999' })).toEqual({
      FLOTILLA_PORTS: { min: 41_000, max: 41_999 },
    });
    for (const text of ['41000', '41999-41000', '0-10', '65000-70000', 'a-b'])
      expect(() => loadConfig(range, { FLOTILLA_PORTS: text }), text).toThrow(/FLOTILLA_PORTS: /);
  });

  test('announces the address with the index of this process where several are listed', () => {
    const of = (list: string | undefined, index: number | undefined, ...ips: string[]) =>
      announcedFor({ list, index, ips });
    expect(of('203.0.113.1', undefined, '10.0.0.1')).toEqual(['203.0.113.1']);
    expect(of('203.0.113.1, 203.0.113.2', 1, '10.0.0.1')).toEqual(['203.0.113.2']);
    expect(() => of('203.0.113.1', 1, '10.0.0.1')).toThrow(ConfigError);
  });

  test('of several families are announced for the addresses of their family that are listened on', () => {
    const of = (list: string | undefined, ...ips: string[]) => announcedFor({ list, index: undefined, ips });
    expect(of('203.0.113.1,2001:db8::1', '10.0.0.1', 'fd00::1')).toEqual(['203.0.113.1', '2001:db8::1']);
    expect(of('2001:db8::1,203.0.113.1', '10.0.0.1', 'fd00::1')).toEqual(['203.0.113.1', '2001:db8::1']);
    expect(of('2001:db8::1', '10.0.0.1', 'fd00::1')).toEqual([undefined, '2001:db8::1']);
    expect(of('sfu.example', '10.0.0.1', 'fd00::1')).toEqual(['sfu.example', undefined]);
    expect(of(undefined, '10.0.0.1', 'fd00::1')).toEqual([undefined, undefined]);
    expect(() => of('203.0.113.1,203.0.113.2', '10.0.0.1')).toThrow(ConfigError);
  });

  test('is documented as a commented .env file', () => {
    expect(describeConfig(schema)).toContain('# Where it listens.\n# FLOTILLA_PORT=8080\n\n# Kept.\nFLOTILLA_SECRET=');
  });
});

describe('health', () => {
  const url = (port: number, path: string) => `http://127.0.0.1:${port}${path}`;

  test('liveness never depends on a broker, readiness does, startup is over once', async () => {
    const health = new Health();
    let redis: string | undefined = 'Redis is out of reach';
    health.addCheck('store', () => redis);
    const admin = await startAdminServer({ host: '127.0.0.1', port: 0, health });
    const status = async (path: string) => (await fetch(url(admin.port, path))).status;
    const all = async () => [await status('/livez'), await status('/readyz'), await status('/startupz')];

    expect(await all()).toEqual([200, 503, 503]);
    health.markStarted();
    expect(await all()).toEqual([200, 503, 200]);
    expect(await (await fetch(url(admin.port, '/readyz'))).json()).toEqual({
      ok: false,
      problems: { store: 'Redis is out of reach' },
    });
    redis = undefined;
    expect(await all()).toEqual([200, 200, 200]);
    health.markStopping();
    expect(await all()).toEqual([200, 503, 200]);
    expect(await status('/elsewhere')).toBe(404);
    await admin.close();
  });

  test('readiness tolerates a problem for as long as its check says, and reports it at once', () => {
    const health = new Health();
    health.markStarted();
    let redis: string | undefined = 'Redis does not answer';
    health.addCheck('store', () => redis, 100);
    const problems = { store: 'Redis does not answer' };
    expect(health.readiness(1000)).toEqual({ ok: true, problems });
    expect(health.readiness(1099)).toEqual({ ok: true, problems });
    expect(health.readiness(1100)).toEqual({ ok: false, problems });
    redis = undefined;
    expect(health.readiness(1101)).toEqual({ ok: true, problems: {} });
    redis = 'Redis does not answer';
    expect(health.readiness(1102)).toEqual({ ok: true, problems });
  });

  test('what a service adds to the admin port is answered as JSON, with 503 until there is a value', async () => {
    const admin = await startAdminServer({ host: '127.0.0.1', port: 0, health: new Health() });
    let answer: unknown = undefined;
    admin.serve('/scaling', () => answer);
    const ask = async () => {
      const response = await fetch(url(admin.port, '/scaling'));
      return [response.status, await response.json()];
    };
    expect(await ask()).toEqual([503, {}]);
    answer = { nodes: 3 };
    expect(await ask()).toEqual([200, answer]);
    expect(await (await fetch(url(admin.port, '/other'))).text()).toContain('/scaling');
    await admin.close();
  });

  test('metrics are served in Prometheus format', async () => {
    const { counter } = await import('../src/index.ts');
    counter({ name: 'test_total', help: 'A test.', labelNames: ['kind'] }).inc({ kind: 'a' });
    // Asking again gives the same metric.
    counter({ name: 'test_total', help: 'A test.', labelNames: ['kind'] }).inc({ kind: 'a' });
    const admin = await startAdminServer({ host: '127.0.0.1', port: 0, health: new Health() });
    expect(await (await fetch(url(admin.port, '/metrics'))).text()).toContain('test_total{kind="a"} 2');
    await admin.close();
  });
});

describe('stopping', () => {
  test('runs cleanups in reverse order and continues after a failure', async () => {
    const order: string[] = [];
    const stops = new StopList(pino({ level: 'silent' }));
    stops.add('first', () => void order.push('first'));
    stops.add('second', () => Promise.reject(new Error('no')));
    stops.add('third', async () => void order.push('third'));
    expect(stops.pending).toEqual(['first', 'second', 'third']);
    await stops.run();
    expect(order).toEqual(['third', 'first']);
    expect(stops.pending).toEqual([]);
  });
});

describe('the URL of an application', () => {
  test.each([
    ['0.0.0.0', /^http:\/\/0\.0\.0\.0:\d+$/],
    ['127.0.0.1', /^http:\/\/127\.0\.0\.1:\d+$/],
    ['::1', /^http:\/\/\[::1\]:\d+$/],
  ])('names the address that it listens on: %s', async (host, url) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    expect(listeningUrl({ getHttpServer: () => server, close: async () => undefined })).toMatch(url);
    server.close();
  });
});

describe('retry', () => {
  test('repeats until the first success', async () => {
    let attempts = 0;
    await expect(
      retry(async () => (++attempts < 3 ? Promise.reject(new Error('not yet')) : attempts), {
        forMs: 5000,
        delayMs: 1,
      }),
    ).resolves.toBe(3);
  });

  test('fails with the last error at the deadline', async () => {
    await expect(retry(() => Promise.reject(new Error('never')), { forMs: 20, delayMs: 5 })).rejects.toThrow('never');
  });
});

describe('the log', () => {
  test('redacts credentials', () => {
    expect(() => createLogger({ service: 'test', level: 'silent' }).info({ token: 'x' })).not.toThrow();
  });
});
