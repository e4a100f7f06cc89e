import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Broker, dataDirectory, removeData } from './broker.ts';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';
import { startRabbitMq } from './rabbitmq.ts';

export interface RedisSettings {
  /** Default: a free one. */
  readonly port?: number;
  /** Whether its data is on disk. Default: no. */
  readonly durable?: boolean;
  /** The port of its primary on 127.0.0.1. */
  readonly replicaOf?: number;
  /** File of its users. Default: everybody may do everything. */
  readonly aclFile?: string;
  /** Further settings, as lines of a configuration file. */
  readonly conf?: string;
}

/** Starts a private Redis on 127.0.0.1. */
export async function startRedis(options: RedisSettings = {}): Promise<Broker> {
  const { port = await freePort(), durable = false, replicaOf, aclFile, conf } = options;
  const dir = dataDirectory('flotilla-redis-');
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: durable ? 'yes' : 'no', dir };
  const replication = replicaOf === undefined ? [] : ['--replicaof', '127.0.0.1', String(replicaOf)];
  const users = aclFile === undefined ? [] : ['--aclfile', aclFile];
  const file = join(dir, 'redis.conf');
  if (conf !== undefined) writeFileSync(file, conf);
  return Broker.start(
    `redis://127.0.0.1:${port}`,
    async () => {
      const process = new Child('redis-server', 'redis-server', [
        ...(conf === undefined ? [] : [file]),
        ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
        ...replication,
        ...users,
      ]);
      await process.line(/Ready to accept connections/);
      return process;
    },
    async () => removeData(dir),
  );
}

/** The addresses of a Redis and a RabbitMQ. */
export interface Brokers {
  readonly redisUrl: string;
  readonly amqpUrl: string;
  stop(): Promise<void>;
}

/** Uses REDIS_URL and AMQP_URL if they are set, and starts a private server for each that is not. Redis is `durable` as in `startRedis`. */
export async function startBrokers(redisOptions: { durable?: boolean } = {}): Promise<Brokers> {
  const { REDIS_URL, AMQP_URL } = process.env;
  const [redis, rabbit] = await Promise.all([
    REDIS_URL ? undefined : startRedis(redisOptions),
    AMQP_URL ? undefined : startRabbitMq(),
  ]);
  return {
    redisUrl: REDIS_URL ?? redis!.url,
    amqpUrl: AMQP_URL ?? rabbit!.url,
    stop: async () => {
      await Promise.all([redis?.stop(), rabbit?.stop()]);
    },
  };
}
