import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerFiles, brokerUserName, newPassword, passwordOwners, urlOf } from '@flotilla/backplane';
import { RedisLink } from '@flotilla/bus';
import type { FleetOptions } from '@flotilla/local-fleet';
import { type Brokers, startRabbitMq, startRedis } from '@flotilla/processes';
import { createLogger } from '@flotilla/runtime';

type Service = Parameters<NonNullable<FleetOptions['serviceEnv']>>[0];

/** The user of each service that connects to the brokers. */
const userOf: Readonly<Partial<Record<Service, string>>> = {
  gateway: 'gateway',
  registry: 'registry',
  'sfu-worker': 'sfu',
  'metadata-relay': 'relay',
  autoscaler: 'autoscaler',
};

/** Brokers with a user for each service, which may do only what its service needs. */
export interface RestrictedBrokers extends Brokers {
  /** The URLs of a service's user. Those of the brokers are the administrator's. */
  readonly serviceEnv: NonNullable<FleetOptions['serviceEnv']>;
  /** What Redis and RabbitMQ refused to a user. */
  refusals(): Promise<string[]>;
}

/** Starts private brokers with the users of `brokerFiles`. Redis writes its data to disk. */
export async function startRestrictedBrokers(namespace: string): Promise<RestrictedBrokers> {
  const passwords = Object.fromEntries(passwordOwners.map((owner) => [owner, newPassword()]));
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-users-'));
  const [aclFile, definitions] = [join(dir, 'redis-users.acl'), join(dir, 'rabbitmq-definitions.json')];
  const files = brokerFiles(namespace, passwords);
  writeFileSync(aclFile, files.redisAcl);
  writeFileSync(definitions, files.rabbitMqDefinitions);
  const [redis, rabbitMq] = await Promise.all([
    startRedis({ durable: true, aclFile }),
    startRabbitMq({ conf: [`load_definitions = ${definitions}`] }),
  ]);
  const urlsOf = (user: string): { redisUrl: string; amqpUrl: string } => {
    const login = [brokerUserName(namespace, user), passwords[user]!] as const;
    return { redisUrl: urlOf(redis.url, ...login), amqpUrl: urlOf(rabbitMq.url, ...login) };
  };
  const administrator = urlsOf('admin');
  return {
    ...administrator,
    serviceEnv: (service) => {
      const user = userOf[service];
      if (user === undefined) return {};
      const { redisUrl, amqpUrl } = urlsOf(user);
      return { REDIS_URL: redisUrl, AMQP_URL: amqpUrl };
    },
    refusals: async () => {
      const refused = rabbitMq.process.lines.filter((line) => /refused/i.test(line));
      return [...(await refusedByRedis(administrator.redisUrl)), ...refused];
    },
    stop: async () => {
      await Promise.all([redis.stop(), rabbitMq.stop()]);
      rmSync(dir, { recursive: true });
    },
  };
}

/** The entries of ACL LOG. */
async function refusedByRedis(url: string): Promise<string[]> {
  const link = new RedisLink({ url }, createLogger({ service: 'test', level: 'error' }), 'refusals');
  await link.connect();
  try {
    const entries = (await link.redis.call('ACL', 'LOG')) as unknown[];
    return entries.map((entry) => JSON.stringify(entry));
  } finally {
    link.close();
  }
}
