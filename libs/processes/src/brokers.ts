import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';

/** A private Redis or RabbitMQ server. */
export class Broker {
  #process: Child;

  constructor(
    readonly url: string,
    process: Child,
    private readonly launch: () => Promise<Child>,
    private readonly cleanUp: () => Promise<void>,
    private readonly stopSignal: 'SIGTERM' | 'SIGKILL',
  ) {
    this.#process = process;
  }

  static async start(
    url: string,
    launch: () => Promise<Child>,
    cleanUp: () => Promise<void>,
    stopSignal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM',
  ): Promise<Broker> {
    return new Broker(url, await launch(), launch, cleanUp, stopSignal);
  }

  get process(): Child {
    return this.#process;
  }

  /** Stops it gracefully; its data on disk stays. */
  async halt(): Promise<void> {
    await this.#process.stop('SIGTERM', 30_000);
  }

  /** Starts it again at the same address with the same data. */
  async resume(): Promise<void> {
    this.#process = await this.launch();
  }

  /** Stops it and deletes its data. */
  async stop(): Promise<void> {
    await this.#process.stop(this.stopSignal);
    await this.cleanUp();
  }
}

/** Removed at the latest when this process exits: its children have been killed by then. */
const dataDirectories = new Set<string>();
process.on('exit', () => dataDirectories.forEach(removeData));

function dataDirectory(prefix: string): string {
  const dir = mkdtempSync(join(tmpdir(), prefix));
  dataDirectories.add(dir);
  return dir;
}

function removeData(dir: string): void {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  dataDirectories.delete(dir);
}

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

/** The server itself: Debian's wrapper in /usr/sbin switches users, which needs root. */
const rabbitMqServer = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Starts a private RabbitMQ on free ports of 127.0.0.1, with its own Erlang port mapper. Takes about 7 s. */
export async function startRabbitMq(options: { port?: number } = {}): Promise<Broker> {
  const [port, distPort, epmdPort] = [options.port ?? (await freePort()), await freePort(), await freePort()];
  const dir = dataDirectory('flotilla-rabbitmq-');
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
  const launch = async (): Promise<Child> => {
    const server = new Child('rabbitmq-server', rabbitMqServer, [], { env });
    await server.line(/Server startup complete/, 90_000);
    await listens(port, 10_000);
    return server;
  };
  const env = {
    PATH: process.env['PATH'],
    HOME: dir,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
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
  };
  // The server would start the port mapper as a daemon that outlives everything.
  const epmd = new Child('epmd', 'epmd', [], { env });
  await listens(epmdPort, 10_000);
  return Broker.start(
    `amqp://guest:guest@127.0.0.1:${port}`,
    launch,
    async () => {
      await epmd.stop();
      removeData(dir);
    },
    'SIGKILL',
  );
}

/** Resolves once a TCP connection to the port succeeds. */
async function listens(port: number, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for await (const _ of setInterval(50)) {
    if (await canConnect(port)) return;
    if (performance.now() >= deadline) throw new Error(`nothing listens on port ${port} after ${timeoutMs} ms`);
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** The addresses of a Redis and a RabbitMQ. */
export interface Brokers {
  readonly redisUrl: string;
  readonly amqpUrl: string;
  stop(): Promise<void>;
}

/** Uses REDIS_URL and AMQP_URL if they are set, and starts a private server for each that is not. */
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
