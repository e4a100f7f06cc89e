import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisWithSentinels, sentinelPrimaryName, startRedisWithSentinels } from '@flotilla/processes';
import { createLogger, parseSentinelUrl } from '@flotilla/runtime';
import { RedisEventLog } from '@flotilla/bus';
import { RedisStore } from '@flotilla/store';
import { notYet, waitFor } from '@flotilla/testkit';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  administrator,
  brokerUserName,
  brokerUserNames,
  newPassword,
  passwordOwners,
  redisServerUsers,
  sentinelFiles,
  urlOf,
} from '../src/index.ts';
import { redisProblem } from '../src/broker-check.ts';

const namespace = 'fl';
const log = createLogger({ service: 'test', level: 'silent' });
const owners = [...passwordOwners, ...Object.values(redisServerUsers)];
const passwords = Object.fromEntries(owners.map((owner) => [owner, newPassword()]));
const nameOf = (owner: string): string =>
  Object.hasOwn(redisServerUsers, owner) ? owner : brokerUserName(namespace, owner);

const dir = mkdtempSync(join(tmpdir(), 'flotilla-sentinel-users-'));
const [aclFile, sentinelAclFile] = [join(dir, 'redis.acl'), join(dir, 'sentinel.acl')];
const files = sentinelFiles(namespace, sentinelPrimaryName, passwords);
writeFileSync(aclFile, files.redisAcl);
writeFileSync(sentinelAclFile, files.sentinelAcl);

let redis: RedisWithSentinels;
const clients: Redis[] = [];
beforeAll(async () => {
  redis = await startRedisWithSentinels({
    replicas: 1,
    server: { aclFile, conf: files.replicationConf },
    sentinelConf: `aclfile ${sentinelAclFile}\n${files.sentinelConf}`,
  });
});
afterAll(async () => {
  for (const client of clients) client.disconnect();
  await redis.stop();
  rmSync(dir, { recursive: true });
});

const as = (server: string, owner: string): string => urlOf(server, nameOf(owner), passwords[owner]!);

async function connected(server: string, owner: string): Promise<Redis> {
  const client = new Redis(as(server, owner), {
    lazyConnect: true,
    retryStrategy: () => null,
    enableReadyCheck: false,
  });
  clients.push(client);
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

const sentinels = (): string[] =>
  parseSentinelUrl(redis.url)!.sentinels.map(({ host, port }) => `redis://${host}:${port}`);
const firstSentinel = (): string => sentinels()[0]!;

/** The commands that a server accepts. */
async function accepted(client: Redis, commands: readonly string[]): Promise<string[]> {
  const answers = await Promise.all(
    commands.map(async (text) => {
      const [command, ...args] = text.split(' ');
      return client.call(command!, ...args).then(
        () => '',
        ({ message }: Error) => message,
      );
    }),
  );
  return commands.filter((_, nth) => !answers[nth]!.startsWith('NOPERM'));
}

/** What may be done on a Sentinel only by people. */
const administration = [
  `SENTINEL FAILOVER ${sentinelPrimaryName}`,
  `SENTINEL SET ${sentinelPrimaryName} quorum 1`,
  `SENTINEL REMOVE ${sentinelPrimaryName}`,
  `SENTINEL RESET *`,
  `SENTINEL MONITOR other 127.0.0.1 1 1`,
  `SENTINEL CONFIG GET *`,
  'SENTINEL FLUSHCONFIG',
  `SENTINEL MASTER ${sentinelPrimaryName}`,
  'ACL LIST',
  'ACL SETUSER eve on nopass +@all',
  'CLIENT LIST',
  'CLIENT KILL TYPE normal',
  'INFO',
  'PSUBSCRIBE *',
  'SUBSCRIBE __sentinel__:hello',
  'SUBSCRIBE +sdown',
  'SHUTDOWN NOSAVE',
];

/** What a server refused: nothing, when the users have all that they need. */
const refusals = async (server: string): Promise<unknown> =>
  (await connected(server, administrator)).call('ACL', 'LOG');

// The first test: the others use what it leaves, and their refusals are logged.
test('services, replicas and Sentinels with these users follow a fail-over, and are refused nothing', async () => {
  const [primary, replica] = redis.servers;
  const url = as(redis.url, 'relay');
  const connect = { url, namespace, log };
  const [events, store] = await Promise.all([RedisEventLog.connect(connect), RedisStore.connect(connect)]);
  const stream = '{rm_a}:metadata';
  await events.append(stream, 'before');
  const watch = await connected(replica!.url, administrator);
  await waitFor(
    'the replica has the entry',
    async () => (await watch.exists(`${namespace}:${stream}`)) > 0 || notYet('not yet'),
  );
  // Without these, no fail-over begins.
  const sentinel = await connected(firstSentinel(), administrator);
  const known = async (what: string): Promise<number> =>
    ((await sentinel.call('SENTINEL', what, sentinelPrimaryName)) as unknown[]).length;
  await waitFor('a Sentinel knows the others and the replica', async () => {
    const found = `${await known('SENTINELS')} and ${await known('REPLICAS')}`;
    return found === '2 and 1' || notYet(found);
  });
  expect(await refusals(primary!.url)).toEqual([]);
  await primary!.process.stop('SIGKILL');
  await waitFor('an append succeeds', () => events.append(stream, 'after'), { timeoutMs: 30_000 });
  expect(await events.readAfter(stream, '0-0', 10)).toMatchObject([{ data: 'before' }, { data: 'after' }]);
  await waitFor('the store is usable', () => store.relays.retained('rm_a'));
  await Promise.all([events.close(), store.close()]);
  expect(await Promise.all([replica!.url, ...sentinels()].map(refusals))).toEqual([[], [], [], []]);
});

describe('the users of sentinel-users.acl', () => {
  test('nobody connects to a Sentinel without a name, or with another password', async () => {
    for (const sentinel of ['', `?sentinelUsername=${nameOf('relay')}&sentinelPassword=guess`]) {
      const url = as(redis.url, 'relay').replace(/\?.*/, sentinel);
      expect(await redisProblem('REDIS_URL', { url })).toMatch(/^REDIS_URL: .*(password|WRONGPASS|NOAUTH)/);
    }
    expect(await redisProblem('REDIS_URL', { url: as(redis.url, 'relay') })).toBeUndefined();
  });

  test.each(brokerUserNames)('%s may ask for the primary, and administers nothing', async (user) => {
    const client = await connected(firstSentinel(), user);
    expect(await client.call('SENTINEL', 'get-master-addr-by-name', sentinelPrimaryName)).toEqual([
      '127.0.0.1',
      new URL(redis.servers[1]!.url).port,
    ]);
    expect(
      await accepted(client, [
        ...administration,
        'PUBLISH +switch-master a',
        'SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *',
      ]),
    ).toEqual([]);
    expect(await client.subscribe('+switch-master')).toBe(1);
  });

  test('a Sentinel may vote on another, and administers nothing there', async () => {
    const client = await connected(firstSentinel(), 'sentinel');
    expect(await accepted(client, ['SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *', ...administration])).toEqual([
      'SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *',
    ]);
  });
});

describe('the users of servers in redis-users.acl', () => {
  const refused = [
    'GET fl:{rm_a}:room',
    'SET fl:{rm_a}:room 1',
    'KEYS *',
    'FLUSHALL',
    'CONFIG GET *',
    'CONFIG SET maxmemory 1',
  ].concat(['ACL LIST', 'CLIENT LIST', 'SHUTDOWN NOSAVE', 'PSUBSCRIBE *', 'SUBSCRIBE fl:broadcast']);

  test('a Sentinel reads and writes no keys, and changes no setting', async () => {
    const client = await connected(redis.servers[1]!.url, 'sentinel');
    expect(await accepted(client, ['PING', 'ROLE', ...refused])).toEqual(['PING', 'ROLE']);
  });

  test('a replica does nothing but replicate', async () => {
    const client = await connected(redis.servers[1]!.url, 'replica');
    expect(await accepted(client, ['PING', 'INFO', 'REPLICAOF NO ONE', ...refused])).toEqual(['PING']);
  });
});
