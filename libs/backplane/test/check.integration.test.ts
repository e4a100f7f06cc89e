import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from '@flotilla/processes';
import { brokerConfig, commonConfig, ipList, port, wholeNumber } from '@flotilla/runtime';
import { CertificateAuthority, testBrokers } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { redisWarning } from '../src/broker-check.ts';
import { checkConfiguration } from '../src/index.ts';

const schema = z.object({
  ...commonConfig.shape,
  ...brokerConfig.shape,
  FLOTILLA_TOKEN_SECRET: z.string().min(32, 'at least 32 characters'),
  FLOTILLA_SFU_LISTEN_IPS: ipList().default(['127.0.0.1']),
  FLOTILLA_SFU_PORT_BASE: port().default(0),
  FLOTILLA_SFU_WORKERS: wholeNumber().default(2),
  FLOTILLA_REST_TLS_CERT: z.string().optional(),
  FLOTILLA_REST_TLS_KEY: z.string().optional(),
  FLOTILLA_REST_TLS_CLIENT_CA: z.string().optional(),
});

describe('checkConfiguration', () => {
  const { redisUrl, amqpUrl } = testBrokers();
  const right = {
    REDIS_URL: redisUrl,
    AMQP_URL: amqpUrl,
    FLOTILLA_TOKEN_SECRET: 'x'.repeat(32),
    FLOTILLA_ADMIN_HOST: '127.0.0.1',
    FLOTILLA_ADMIN_PORT: '0',
  };
  /** A Redis with a password, and one that replicates it. */
  const redisServers: Child[] = [];
  let withPassword: URL;
  let replica: string;
  let silent: Server;
  let closedPort: number;

  let directory: string;
  let authority: CertificateAuthority;
  let served: () => { FLOTILLA_REST_TLS_CERT: string; FLOTILLA_REST_TLS_KEY: string };

  async function startRedis(...args: string[]): Promise<string> {
    const at = await freePort();
    // A replica writes what it copies to a file there.
    const common = [
      '--port',
      String(at),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      directory,
    ];
    const server = new Child('redis', 'redis-server', [...common, ...args]);
    redisServers.push(server);
    await server.line(/Ready to accept connections/);
    return `redis://127.0.0.1:${at}`;
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flotilla-check-'));
    withPassword = new URL(await startRedis('--requirepass', 'right'));
    replica = await startRedis('--replicaof', '127.0.0.1', withPassword.port, '--masterauth', 'right');
    silent = createServer().listen(0, '127.0.0.1');
    closedPort = await freePort();
    authority = new CertificateAuthority(directory);
    const { cert, key } = authority.issue('rest');
    served = () => ({ FLOTILLA_REST_TLS_CERT: cert, FLOTILLA_REST_TLS_KEY: key });
  });
  afterAll(async () => {
    silent.close();
    await Promise.all(redisServers.map((server) => server.stop()));
    await rm(directory, { recursive: true });
  });

  const silentPort = (): number => (silent.address() as { port: number }).port;
  const url = (text: string, change: (it: URL) => void): string => {
    const changed = new URL(text);
    change(changed);
    return changed.href;
  };

  test('finds nothing wrong with a configuration that works', async () => {
    expect(await checkConfiguration(schema, right)).toEqual([]);
    expect(await checkConfiguration(schema, { ...right, REDIS_URL: `redis://:right@${withPassword.host}` })).toEqual(
      [],
    );
    const mutual = { ...served(), FLOTILLA_REST_TLS_CLIENT_CA: authority.caFile };
    expect(await checkConfiguration(schema, { ...right, ...mutual })).toEqual([]);
  });

  test('warns of a Redis that would lose what it keeps', async () => {
    const warning = async (...args: string[]): Promise<string | undefined> =>
      redisWarning('REDIS_URL', { url: await startRedis(...args) });
    expect(await warning()).toMatch(
      /^REDIS_URL: Redis at .* does not log its writes to disk.*Set appendonly to yes there\.$/,
    );
    expect(await warning('--appendonly', 'yes', '--dir', directory)).toBeUndefined();
    expect(await warning('--appendonly', 'yes', '--maxmemory-policy', 'allkeys-lru')).toMatch(
      /Set maxmemory-policy to noeviction there, not allkeys-lru\.$/,
    );
  });

  test.each<[string, () => Record<string, string>, RegExp]>([
    [
      'a misspelt setting',
      () => ({ FLOTILLA_ADMIN_PROT: '1' }),
      /^FLOTILLA_ADMIN_PROT is not a setting.*did you mean FLOTILLA_ADMIN_PORT\?$/,
    ],
    ['a port that is none', () => ({ FLOTILLA_ADMIN_PORT: '70000' }), /^FLOTILLA_ADMIN_PORT: /],
    ['a short secret', () => ({ FLOTILLA_TOKEN_SECRET: 'short' }), /^FLOTILLA_TOKEN_SECRET: at least 32 characters$/],
    ['no secret', () => ({ FLOTILLA_TOKEN_SECRET: '' }), /^FLOTILLA_TOKEN_SECRET is required/],
    [
      'a Redis that does not run',
      () => ({ REDIS_URL: `redis://127.0.0.1:${closedPort}` }),
      /^REDIS_URL: nothing listens at 127\.0\.0\.1:\d+\. Start the server or correct the port\.$/,
    ],
    [
      'an unknown host',
      () => ({ REDIS_URL: 'redis://redis.invalid:6379' }),
      /^REDIS_URL: the host redis\.invalid is unknown\. Correct its name\.$/,
    ],
    [
      'a wrong password of Redis',
      () => ({ REDIS_URL: `redis://:wrong@${withPassword.host}` }),
      /^REDIS_URL: Redis at .* refused the password\. Correct it in the URL\.$/,
    ],
    [
      'a missing password of Redis',
      () => ({ REDIS_URL: withPassword.href }),
      /^REDIS_URL: Redis at .* requires a password\. Add it to the URL/,
    ],
    [
      'a replica',
      () => ({ REDIS_URL: url(replica, () => undefined) }),
      /^REDIS_URL: Redis at .* is a replica, which refuses writes\. Name the primary\.$/,
    ],
    [
      'TLS to a Redis without it',
      () => ({ REDIS_URL: redisUrl.replace('redis:', 'rediss:') }),
      /^REDIS_URL: .* did not answer within 3 s\. Check that it serves TLS there \(else use redis:\), firewalls/,
    ],
    [
      'RabbitMQ as Redis',
      () => ({ REDIS_URL: `redis://${new URL(amqpUrl).host}` }),
      /^REDIS_URL: .* does not answer as Redis does .*Correct host and port\.$/,
    ],
    [
      'a server that does not answer',
      () => ({ AMQP_URL: `amqp://127.0.0.1:${silentPort()}` }),
      /^AMQP_URL: .* did not answer within 3 s\. Check firewalls and network policies\.$/,
    ],
    [
      'a wrong password of RabbitMQ',
      () => ({ AMQP_URL: url(amqpUrl, (it) => ([it.username, it.password] = ['guest', 'wrong'])) }),
      /^AMQP_URL: RabbitMQ at .* refused user guest or the password\. Correct them in the URL\.$/,
    ],
    [
      'an unknown virtual host',
      () => ({ AMQP_URL: url(amqpUrl, (it) => (it.pathname = '/nowhere')) }),
      /^AMQP_URL: RabbitMQ at .* has no virtual host nowhere/,
    ],
    [
      'a port in use',
      () => ({ FLOTILLA_ADMIN_PORT: String(silentPort()) }),
      /^FLOTILLA_ADMIN_PORT: cannot listen on 127\.0\.0\.1:\d+\/tcp: another program listens there/,
    ],
    [
      'an address of another machine',
      () => ({ FLOTILLA_SFU_LISTEN_IPS: '192.0.2.1' }),
      /^FLOTILLA_SFU_PORT_BASE: cannot listen on 192\.0\.2\.1:0\/udp: this machine does not have that address/,
    ],
    [
      'a media port in use',
      () => ({ FLOTILLA_SFU_PORT_BASE: String(silentPort() - 1) }),
      /^FLOTILLA_SFU_PORT_BASE: cannot listen on 127\.0\.0\.1:\d+\/tcp: another program listens there/,
    ],
    [
      'a certificate that is not there',
      () => ({ ...served(), FLOTILLA_REST_TLS_CERT: join(directory, 'none.pem') }),
      /^FLOTILLA_REST_TLS_CERT: ENOENT: no such file or directory, open '.*none\.pem'$/,
    ],
    [
      'a key in place of a certificate',
      () => ({ ...served(), FLOTILLA_REST_TLS_CERT: served().FLOTILLA_REST_TLS_KEY }),
      /^FLOTILLA_REST_TLS_CERT: a file with a certificate in PEM is expected/,
    ],
    [
      'the key of another certificate',
      () => ({ ...served(), FLOTILLA_REST_TLS_KEY: authority.issue('other').key }),
      /^FLOTILLA_REST_TLS_KEY: not the private key of the certificate in FLOTILLA_REST_TLS_CERT$/,
    ],
    [
      'a key in place of the authority of clients',
      () => ({ ...served(), FLOTILLA_REST_TLS_CLIENT_CA: served().FLOTILLA_REST_TLS_KEY }),
      /^FLOTILLA_REST_TLS_CLIENT_CA: a file with a certificate in PEM is expected/,
    ],
  ])('explains %s in one line with the cure', async (_, wrong, line) => {
    const problems = await checkConfiguration(schema, { ...right, ...wrong() });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(line);
    expect(problems[0]).not.toContain('\n');
  });
});
