import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandBus, RabbitMqCommandTransport } from '@flotilla/bus';
import { type Broker, startRabbitMq, startRedis } from '@flotilla/processes';
import { createLogger } from '@flotilla/runtime';
import { RedisStore } from '@flotilla/store';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { brokerFiles, brokerUserName, brokerUserNames, newPassword, passwordOwners, urlOf } from '../src/index.ts';

const namespace = 'fl';
const passwords = Object.fromEntries(passwordOwners.map((owner) => [owner, newPassword()]));
const as = (server: string, user: string): string => urlOf(server, brokerUserName(namespace, user), passwords[user]!);

const dir = mkdtempSync(join(tmpdir(), 'flotilla-users-'));
const [aclFile, definitions] = [join(dir, 'users.acl'), join(dir, 'definitions.json')];
const files = brokerFiles(namespace, passwords);
writeFileSync(aclFile, files.redisAcl);
writeFileSync(definitions, files.rabbitMqDefinitions);
afterAll(() => rmSync(dir, { recursive: true }));

type Refused = readonly (readonly string[])[];

/** What no service may do. */
const forbidden: Refused = [
  ['FLUSHALL'],
  ['FLUSHDB'],
  ['CONFIG', 'GET', '*'],
  ['CONFIG', 'SET', 'maxmemory', '1'],
  ['KEYS', '*'],
  ['SCAN', '0'],
  ['RANDOMKEY'],
  ['MONITOR'],
  ['SHUTDOWN', 'NOSAVE'],
  ['CLIENT', 'LIST'],
  ['CLIENT', 'KILL', 'TYPE', 'normal'],
  ['SCRIPT', 'FLUSH'],
  ['FUNCTION', 'FLUSH'],
  ['ACL', 'LIST'],
  ['ACL', 'SETUSER', 'eve', 'on', 'nopass', '~*', '+@all'],
  ['REPLICAOF', '127.0.0.1', '1'],
  ['SWAPDB', '0', '1'],
  ['PSUBSCRIBE', '*'],
  ['GET', 'other:{rm_a}:room'],
  ['GET', 'unprefixed'],
  ['EVAL', "return redis.call('GET', 'other:{rm_a}:room')", '1', 'fl'],
  ['EVAL', "return redis.call('FLUSHALL')", '1', 'fl'],
  ['EVAL', "return redis.call('KEYS', '*')", '1', 'fl'],
  ['EVAL', 'return 1', '1', 'other'],
];

const readsSessions: Refused = [
  ['HGETALL', 'fl:session:ss_a'],
  ['GET', 'fl:resume:hash'],
  ['EXISTS', 'fl:token:jti'],
  ['GET', 'fl:cutoff:*'],
  ['XRANGE', 'fl:user:ada:inbox', '-', '+'],
  ['EVAL', "return redis.call('HGETALL', 'fl:session:ss_a')", '1', 'fl'],
];
const changesRooms: Refused = [
  ['SET', 'fl:{rm_a}:room', '{}'],
  ['DEL', 'fl:{rm_a}:room'],
  ['EVAL', "return redis.call('DEL', 'fl:{rm_a}:room')", '1', 'fl'],
];
const changesMembers: Refused = [
  ['HSET', 'fl:{rm_a}:members', 'pt_a', ''],
  ['HDEL', 'fl:{rm_a}:members', 'pt_a'],
  ['DEL', 'fl:{rm_a}:members'],
];
const changesSessions: Refused = [
  ['HSET', 'fl:session:ss_a', 'grants', 'publish'],
  ['SET', 'fl:resume:hash', 'ss_a'],
  ['SET', 'fl:cutoff:*', '0'],
];
const commandsGateways: Refused = [
  ['XADD', 'fl:gateway:gw_a', '*', 'e', '{}'],
  ['PUBLISH', 'fl:gateway:gw_a', '{}'],
];
const changesNodes: Refused = [
  ['HSET', 'fl:nodes', 'nd_a', '{}'],
  ['ZADD', 'fl:nodes:beats', '0', 'nd_a'],
];
const takesLeases: Refused = [
  ['SET', 'fl:lease:planner', 'eve'],
  ['HSET', 'fl:leases:terms', 'planner', '9'],
];

const refusedOf: Readonly<Record<(typeof brokerUserNames)[number], Refused>> = {
  gateway: [
    ...changesRooms,
    ...takesLeases,
    ['HSET', 'fl:nodes', 'nd_a', '{}'],
    ['HSET', 'fl:relays', 'rl_a', '{}'],
    ['SET', 'fl:cutoff:*', '0'],
    ['XADD', 'fl:{rm_a}:metadata', '*', 'e', '{}'],
  ],
  registry: [
    ...takesLeases,
    ['GET', 'fl:resume:hash'],
    ['SET', 'fl:token:jti', '1'],
    ['HSET', 'fl:session:ss_a', 'grants', 'publish'],
    ['HVALS', 'fl:{rm_a}:retained'],
    ['SUBSCRIBE', 'fl:gateway:gw_a'],
  ],
  sfu: [
    ...readsSessions,
    ...changesSessions,
    ...changesRooms,
    ...changesMembers,
    ...commandsGateways,
    ...takesLeases,
    ['ZREM', 'fl:rooms', 'rm_a'],
    ['SUBSCRIBE', 'fl:broadcast'],
  ],
  relay: [
    ...readsSessions,
    ...changesSessions,
    ...changesRooms,
    ...changesMembers,
    ...commandsGateways,
    ...changesNodes,
    ...takesLeases,
    ['DEL', 'fl:{rm_a}:events'],
    ['HVALS', 'fl:nodes'],
    ['SUBSCRIBE', 'fl:gateway:gw_a'],
    ['SUBSCRIBE', 'fl:{rm_a}:events', 'fl:broadcast'],
  ],
  autoscaler: [
    ...readsSessions,
    ...changesSessions,
    ...changesRooms,
    ...changesMembers,
    ...commandsGateways,
    ...changesNodes,
    ['XADD', 'fl:{rm_a}:events', '*', 'e', '{}'],
    ['SUBSCRIBE', 'fl:{rm_a}:events'],
  ],
};

describe('the users of redis-users.acl', () => {
  let redis: Broker;
  beforeAll(async () => {
    redis = await startRedis({ aclFile, durable: true });
  });
  afterAll(() => redis.stop());

  const connected = async (url: string): Promise<Redis> => {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    let cause: Error | undefined;
    client.on('error', (error: Error) => (cause ??= error));
    await client.connect().catch((error: unknown) => {
      throw cause ?? error;
    });
    return client;
  };

  test('nobody connects without a name, or with another password', async () => {
    const { host } = new URL(redis.url);
    await expect(connected(redis.url)).rejects.toThrow(/NOAUTH|HELLO must be called/);
    await expect(connected(`redis://fl-relay:guess@${host}`)).rejects.toThrow(/WRONGPASS/);
  });

  test.each(brokerUserNames)('%s is refused what its service does not do', async (user) => {
    const client = await connected(as(redis.url, user));
    const accepted: string[] = [];
    for (const [command, ...args] of [...forbidden, ...refusedOf[user]]) {
      const answer = await client.call(command!, ...args).then(
        () => 'accepted',
        ({ message }: Error) => message,
      );
      if (!/^NOPERM|^ERR The user executing the script can't|not allowed from script/.test(answer))
        accepted.push(`${command} ${args.join(' ')}: ${answer}`);
    }
    client.disconnect();
    expect(accepted).toEqual([]);
  });

  test('a refusal is reported as one, of a command and within a script', async () => {
    const log = createLogger({ service: 'test', level: 'silent' });
    const store = await RedisStore.connect({ url: as(redis.url, 'relay'), namespace, log });
    const refusal = { code: 'UNAVAILABLE', message: 'the user of Redis may not do this' };
    await expect(store.rooms.get('rm_a')).rejects.toMatchObject(refusal);
    await expect(store.rooms.delete('rm_a')).rejects.toMatchObject(refusal);
    expect(store.problem()).toBeUndefined();
    await store.close();
  });

  test('what a service wrote in a transaction is there after a restart', async () => {
    const before = await connected(as(redis.url, 'relay'));
    await before.multi().zadd('fl:relays:beats', '1', 'rl_a').zadd('fl:relays:beats', '2', 'rl_b').exec();
    before.disconnect();
    await redis.halt();
    await redis.resume();
    const after = await connected(as(redis.url, 'relay'));
    expect(await after.zrange('fl:relays:beats', '0', '-1')).toEqual(['rl_a', 'rl_b']);
    after.disconnect();
  });
});

describe('the users of rabbitmq-definitions.json', () => {
  let rabbitMq: Broker;
  beforeAll(async () => {
    rabbitMq = await startRabbitMq({ conf: [`load_definitions = ${definitions}`] });
  }, 60_000);
  afterAll(() => rabbitMq.stop());

  /** Resolves to the code that a channel was closed with, undefined when RabbitMQ accepted the work. */
  const closedWith = async (model: ChannelModel, work: (channel: Channel) => unknown): Promise<number | undefined> => {
    const channel = await model.createChannel();
    const closed = new Promise<number>((resolve) =>
      channel.on('error', (error: Error & { code: number }) => resolve(error.code)),
    );
    // RabbitMQ answers in order: it has judged the work when it answers this. A closed channel rejects or throws.
    const done = async (): Promise<undefined> => {
      await work(channel);
      await channel.checkExchange('amq.direct');
      await channel.close();
      return undefined;
    };
    return done().catch(() => closed);
  };

  const message = Buffer.from('{}');
  const publish = (exchange: string, key: string) => (channel: Channel) => channel.publish(exchange, key, message);
  /** Work that is refused unless the service is named. */
  const works: [what: string, (channel: Channel) => unknown, allowed: readonly string[]][] = [
    ['command the registry', publish('fl.commands.registry', 'registry'), ['gateway', 'autoscaler']],
    ['command SFU nodes', publish('fl.commands.sfu', 'sfu.nd_a'), ['gateway', 'registry', 'sfu', 'autoscaler']],
    ['command relays', publish('fl.commands.relay', 'relay.rl_a'), ['gateway']],
    ['answer commands', publish('fl.replies', 'fl.replies.a'), ['registry', 'sfu', 'relay']],
    ['add dead letters', publish('fl.dead', ''), ['registry', 'sfu', 'relay']],
    ['write to any queue by its name', publish('', 'fl.registry'), []],
    ['serve as the registry', (channel) => channel.assertQueue('fl.registry'), ['registry']],
    ['serve as an SFU node', (channel) => channel.assertQueue('fl.sfu.nd_b', { exclusive: true }), ['sfu']],
    ['serve as a relay', (channel) => channel.assertQueue('fl.relay.rl_b', { exclusive: true }), ['relay']],
    [
      'receive the commands of SFU nodes',
      (channel) => channel.bindQueue('fl.sfu.nd_a', 'fl.commands.sfu', 'sfu.nd_a'),
      ['sfu'],
    ],
    ['consume the commands of an SFU node', (channel) => channel.consume('fl.sfu.nd_a', () => undefined), ['sfu']],
    ['read dead letters', (channel) => channel.get('fl.dead-letters'), []],
    ['delete dead letters', (channel) => channel.purgeQueue('fl.dead-letters'), []],
    ['delete an exchange', (channel) => channel.deleteExchange('fl.commands.sfu'), []],
    ['declare an exchange', (channel) => channel.assertExchange('fl.other', 'topic'), []],
    ['declare a queue of another fleet', (channel) => channel.assertQueue('other.registry'), []],
  ];

  test.each(brokerUserNames)('%s is refused what its service does not do', async (user) => {
    const administrator = await connect(as(rabbitMq.url, 'admin'));
    const setUp = await administrator.createChannel();
    await setUp.assertQueue('fl.sfu.nd_a');
    const model = await connect(as(rabbitMq.url, user));
    for (const [what, work, allowed] of works)
      expect(await closedWith(model, work), what).toBe(allowed.includes(user) ? undefined : 403);
    await model.close();
    await administrator.close();
  });

  test('a refusal is reported as one', async () => {
    const log = createLogger({ service: 'test', level: 'silent' });
    const transport = await RabbitMqCommandTransport.connect({ url: as(rabbitMq.url, 'relay'), namespace, log });
    const bus = new CommandBus(transport, log);
    await expect(bus.call('sfu.nd_a', 'sfu.ping', {})).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the user of RabbitMQ may not do this',
    });
    await bus.close();
  });
});
