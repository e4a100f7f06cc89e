import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort, startRedisWithSentinels } from '@flotilla/processes';
import { createLogger } from '@flotilla/runtime';
import { notYet, TcpProxy, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { RedisEventLog, RedisLink, redisOp } from '../src/index.ts';
import { makeCertificates } from './certificates.ts';

const log = createLogger({ service: 'test', level: 'silent' });

let directory: string;
let servers: Child[];
let links: { close(): unknown }[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flotilla-redis-link-'));
  servers = [];
  links = [];
});
afterEach(async () => {
  for (const link of links) await link.close();
  await Promise.all(servers.map((server) => server.stop('SIGKILL')));
  rmSync(directory, { recursive: true, force: true });
});

/** Starts a Redis without data on disk. */
async function startServer(...args: string[]): Promise<number> {
  const port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  const server = new Child('redis', 'redis-server', [...settings, ...args]);
  servers.push(server);
  await server.line(/Ready to accept connections/);
  return port;
}

async function linkTo(url: string): Promise<RedisLink> {
  const link = new RedisLink({ url }, log, 'test');
  links.push(link);
  await link.connect();
  return link;
}

const write = ({ redis }: RedisLink): Promise<unknown> => redisOp('write', () => redis.set('key', 'value'));

const worksAgain = (link: RedisLink): Promise<unknown> =>
  waitFor('Redis can be used', async () => {
    const problem = link.problem();
    if (problem) notYet(problem);
    await write(link);
  });

const hasProblem = (link: RedisLink, text: string): Promise<unknown> =>
  waitFor(`the problem "${text}"`, () => {
    const problem = link.problem();
    if (problem !== text) notYet(`it is ${problem ?? 'none'}`);
  });

test('a lost connection to Redis is opened again with a password that was changed meanwhile', async () => {
  let password = 'first';
  const port = await startServer('--requirepass', password);
  const address = {
    get url() {
      return `redis://:${password}@127.0.0.1:${port}`;
    },
  };
  const link = new RedisLink(address, log, 'test');
  links.push(link);
  await link.connect();
  const lostId = await link.redis.client('ID');
  await link.redis.config('SET', 'requirepass', 'second');
  password = 'second';
  await write(link);
  await link.redis.call('CLIENT', 'KILL', 'ID', lostId, 'SKIPME', 'no').catch(() => undefined);
  await waitFor('another connection', async () => {
    const id = await link.redis.client('ID').catch((error: Error) => notYet(error.message));
    if (id === lostId) notYet('it is the same one');
  });
  await worksAgain(link);
});

describe('what a connection to Redis reports', () => {
  test.each<[string, string[], string, string]>([
    ['a wrong password', ['--requirepass', 'right'], ':wrong@', 'Redis refused the user or the password'],
    ['no password', ['--requirepass', 'right'], '', 'Redis requires a password'],
  ])('%s', async (_, args, login, problem) => {
    const port = await startServer(...args);
    const link = new RedisLink({ url: `redis://${login}127.0.0.1:${port}` }, log, 'test');
    links.push(link);
    link.connect().catch(() => undefined);
    await hasProblem(link, problem);
  });

  test.each<[string, string[], string]>([
    ['a full memory', ['--maxmemory', '1'], 'the memory of Redis is full'],
    ['a replica', ['--replicaof', '127.0.0.1 1'], 'this Redis is a replica, which refuses writes'],
  ])('%s, when it is refused a write', async (_, args, problem) => {
    const link = await linkTo(`redis://127.0.0.1:${await startServer(...args)}`);
    expect(link.problem()).toBeUndefined();
    await expect(write(link)).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining(problem) });
    await hasProblem(link, problem);
  });

  test('nothing when a user may not do something: what it may do works', async () => {
    const port = await startServer();
    await (
      await linkTo(`redis://127.0.0.1:${port}`)
    ).redis.call('ACL', 'SETUSER', 'ada', 'on', '>pw', '~*', '+@read', '+@connection', '+info');
    const link = await linkTo(`redis://ada:pw@127.0.0.1:${port}`);
    await expect(write(link)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('the user of Redis may not do this'),
    });
    expect(link.problem()).toBeUndefined();
    expect(await link.redis.get('key')).toBeNull();
  });

  test('a half-open connection, which is replaced', async () => {
    const port = await startServer();
    const proxy = await TcpProxy.to(port);
    const link = await linkTo(`redis://127.0.0.1:${proxy.port}`);
    proxy.freeze();
    await hasProblem(link, 'Redis does not answer');
    proxy.restore();
    await worksAgain(link);
    await proxy.close();
  });
});

describe('Redis with TLS', () => {
  test('is used with the authority and the certificate that it wants, and with neither of them its certificate is not accepted', async () => {
    const { caFile, certFile, keyFile, tls } = makeCertificates(directory);
    const tlsPort = String(await freePort());
    await startServer(
      ...['--tls-port', tlsPort, '--tls-cert-file', certFile, '--tls-key-file', keyFile],
      ...['--tls-ca-cert-file', caFile, '--tls-auth-clients', 'yes'],
    );
    const url = `rediss://127.0.0.1:${tlsPort}`;
    const link = new RedisLink({ url, tls }, log, 'test');
    links.push(link);
    await link.connect();
    await write(link);
    const stranger = new RedisLink({ url }, log, 'test');
    links.push(stranger);
    stranger.connect().catch(() => undefined);
    await hasProblem(stranger, 'the certificate of Redis is not accepted');
  });

  test('is used again after its certificate, and that of its clients, were replaced by those of another authority', async () => {
    const { caFile, certFile, keyFile, tls } = makeCertificates(directory);
    const tlsPort = String(await freePort());
    const options = [
      ...['--tls-port', tlsPort, '--tls-cert-file', certFile, '--tls-key-file', keyFile],
      ...['--tls-ca-cert-file', caFile, '--tls-auth-clients', 'yes'],
    ];
    await startServer(...options);
    const link = new RedisLink({ url: `rediss://127.0.0.1:${tlsPort}`, tls }, log, 'test');
    links.push(link);
    await link.connect();
    await servers.at(-1)!.stop('SIGKILL');
    makeCertificates(directory);
    await startServer(...options);
    await worksAgain(link);
  });
});

describe('Redis behind sentinels', () => {
  test('appends and subscriptions continue after a fail-over to the replica', async () => {
    const redis = await startRedisWithSentinels({ replicas: 1 });
    onTestFinished(() => redis.stop());
    const [primary, replica] = redis.servers;
    const events = await RedisEventLog.connect({ url: redis.url, namespace: 't', log });
    links.push(events);
    const seen: string[] = [];
    events.subscribe('a', '0-0', (entries) => void seen.push(...entries.map(({ data }) => data)));
    await events.append('a', 'before');
    const watch = await linkTo(replica!.url);
    await waitFor('the replica has the entry', async () => {
      if ((await watch.redis.xlen('t:a')) === 0) notYet('it has none');
    });
    const killedAt = performance.now();
    await primary!.process.stop('SIGKILL');
    await waitFor('an append succeeds', () => events.append('a', 'after'), { timeoutMs: 30_000 });
    console.log(
      `fail-over: appends work again ${Math.round(performance.now() - killedAt)} ms after the primary was killed`,
    );
    await waitFor('both entries', () => seen.length >= 2 || notYet(seen.join(', ')), { timeoutMs: 10_000 });
    expect(new Set(seen)).toEqual(new Set(['before', 'after']));
    await waitFor('no problem is reported', () => events.problem() === undefined || notYet(String(events.problem())));
  });
});
