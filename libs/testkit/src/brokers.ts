import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import { freePort } from './net.ts';
import { notYet, waitFor } from './wait-for.ts';

/** A private server of ours. */
export interface Broker {
  readonly url: string;
  readonly process: Child;
  /** Stops it at once and deletes its data. */
  stop(): Promise<void>;
}

/** Starts a Redis of our own on a free port of 127.0.0.1, without persistence. */
export async function startRedis(options: { port?: number } = {}): Promise<Broker> {
  const port = options.port ?? (await freePort());
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-redis-'));
  const process = new Child('redis-server', 'redis-server', [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    dir,
  ]);
  await process.line(/Ready to accept connections/);
  return {
    url: `redis://127.0.0.1:${port}`,
    process,
    stop: async () => {
      await process.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Debian's wrapper in /usr/sbin switches users, which only root can; the server itself runs as anybody. */
const rabbitMqServer = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Starts a RabbitMQ of our own on free ports of 127.0.0.1, with its own Erlang port mapper. Takes about 7 s. */
export async function startRabbitMq(options: { port?: number } = {}): Promise<Broker> {
  const [port, distPort, epmdPort] = [options.port ?? (await freePort()), await freePort(), await freePort()];
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-rabbitmq-'));
  writeFileSync(join(dir, 'enabled_plugins'), '[].\n');
  writeFileSync(
    join(dir, 'rabbitmq.conf'),
    [
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      'log.console = true',
      'log.console.level = info',
      'log.file = false',
      'vm_memory_high_watermark.absolute = 1GB',
      'disk_free_limit.absolute = 100MB',
      '',
    ].join('\n'),
  );
  const server = new Child('rabbitmq-server', rabbitMqServer, [], {
    env: {
      PATH: process.env['PATH'],
      HOME: dir,
      ERL_EPMD_PORT: String(epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      // Lets `epmd -kill` end it at once, while it still thinks its node is alive.
      ERL_EPMD_RELAXED_COMMAND_CHECK: '1',
      RABBITMQ_NODENAME: `flotilla-${port}@${hostname().split('.')[0]}`,
      RABBITMQ_DIST_PORT: String(distPort),
      RABBITMQ_BASE: dir,
      RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq.conf'),
      RABBITMQ_MNESIA_BASE: join(dir, 'mnesia'),
      RABBITMQ_LOG_BASE: join(dir, 'log'),
      RABBITMQ_PID_FILE: join(dir, 'pid'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_GENERATED_CONFIG_DIR: join(dir, 'config'),
      RABBITMQ_FEATURE_FLAGS_FILE: join(dir, 'feature_flags'),
    },
  });
  await server.line(/Server startup complete/, 90_000);
  await waitFor('RabbitMQ listens', () => canConnect(port));
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    process: server,
    stop: async () => {
      await server.stop('SIGKILL');
      // Erlang's port mapper is a daemon that outlives its node.
      await new Child('epmd', 'epmd', ['-kill'], {
        env: { PATH: process.env['PATH'], ERL_EPMD_PORT: String(epmdPort) },
      }).exited;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function canConnect(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  }).catch(() => notYet(`nobody listens on ${port}`));
}

/** The addresses of the brokers a test run uses: given ones, or private ones started for it. */
export interface Brokers {
  readonly redisUrl: string;
  readonly amqpUrl: string;
  stop(): Promise<void>;
}

/** Uses REDIS_URL and AMQP_URL where they are set, and starts what is missing. */
export async function startBrokers(): Promise<Brokers> {
  const { REDIS_URL, AMQP_URL } = process.env;
  const [redis, rabbit] = await Promise.all([
    REDIS_URL ? undefined : startRedis(),
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
