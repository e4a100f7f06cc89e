import { Broker, dataDirectory, removeData } from './broker.ts';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';
import { startRabbitMq } from './rabbitmq.ts';

/** Starts a private Redis on 127.0.0.1, on a free port unless one is given. Its data is on disk only if `durable`. */
export async function startRedis(options: { port?: number; durable?: boolean } = {}): Promise<Broker> {
  const { port = await freePort(), durable = false } = options;
  const dir = dataDirectory('flotilla-redis-');
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: durable ? 'yes' : 'no', dir };
  return Broker.start(
    `redis://127.0.0.1:${port}`,
    async () => {
      const process = new Child(
        'redis-server',
        'redis-server',
        Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
      );
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
