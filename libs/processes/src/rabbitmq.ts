import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Broker, dataDirectory, removeData } from './broker.ts';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';

/** The server itself: Debian's wrapper in /usr/sbin switches users, which needs root. */
const rabbitMqServer = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const rabbitMqControl = '/usr/lib/rabbitmq/bin/rabbitmqctl';

export interface RabbitMqSettings {
  readonly port?: number;
  /** Further lines of rabbitmq.conf. */
  readonly conf?: readonly string[];
}

/** Runs rabbitmqctl. Resolves to what it wrote; rejects when it fails. Each run takes about a second. */
type Control = (...args: readonly string[]) => Promise<string>;

/** Starts a private RabbitMQ on free ports of 127.0.0.1, with its own Erlang port mapper. Takes about 7 s. */
export async function startRabbitMq({ port, conf = [] }: RabbitMqSettings = {}): Promise<
  Broker & { control: Control }
> {
  const home = await startHome();
  const launch = await prepare(home, port ?? (await freePort()), conf);
  const broker = await Broker.start(launch.url, launch, home.remove, 'SIGKILL');
  return Object.assign(broker, { control: launch.control });
}

/** A RabbitMQ of several nodes. */
export interface RabbitMqCluster {
  readonly nodes: readonly Broker[];
  /** Names all nodes. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a private RabbitMQ of three nodes on free ports of 127.0.0.1. */
export async function startRabbitMqCluster(): Promise<RabbitMqCluster> {
  const home = await startHome();
  const ports = [await freePort(), await freePort(), await freePort()];
  const conf = [
    'cluster_formation.peer_discovery_backend = classic_config',
    ...ports.map((port, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${nodeName(port)}`),
  ];
  const launches = await Promise.all(ports.map((port) => prepare(home, port, conf)));
  const nodes = await Promise.all(launches.map((it) => Broker.start(it.url, it, async () => undefined, 'SIGKILL')));
  return {
    nodes,
    url: `amqp://guest:guest@${ports.map((port) => `127.0.0.1:${port}`).join(',')}`,
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      await home.remove();
    },
  };
}

/** What the nodes of a cluster share: the Erlang port mapper, and a directory, which has the cookie. */
interface Home {
  readonly dir: string;
  readonly epmdPort: number;
  readonly remove: () => Promise<void>;
}

async function startHome(): Promise<Home> {
  const dir = dataDirectory('flotilla-rabbitmq-');
  // Nodes that start at once would each make their own.
  writeFileSync(join(dir, '.erlang.cookie'), crypto.randomUUID(), { mode: 0o400 });
  const epmdPort = await freePort();
  // The server would start the port mapper as a daemon that outlives everything.
  const env = { PATH: process.env['PATH'], HOME: dir, ERL_EPMD_PORT: String(epmdPort), ERL_EPMD_ADDRESS: '127.0.0.1' };
  const epmd = new Child('epmd', 'epmd', [], { env });
  await listens(epmdPort, 10_000);
  return {
    dir,
    epmdPort,
    remove: async () => {
      await epmd.stop();
      removeData(dir);
    },
  };
}

const nodeName = (port: number): string => `flotilla-${port}@${hostname().split('.')[0]}`;

/** Writes the configuration of a node. Returns what starts it. */
async function prepare(
  home: Home,
  port: number,
  conf: readonly string[],
): Promise<(() => Promise<Child>) & { url: string; control: Control }> {
  const dir = join(home.dir, String(port));
  mkdirSync(dir);
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
      ...conf,
      '',
    ].join('\n'),
  );
  const env = {
    PATH: process.env['PATH'],
    HOME: home.dir,
    ERL_EPMD_PORT: String(home.epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: nodeName(port),
    RABBITMQ_DIST_PORT: String(await freePort()),
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
  const launch = async (): Promise<Child> => {
    const server = new Child('rabbitmq-server', rabbitMqServer, [], { env });
    await server.line(/Server startup complete/, 90_000);
    await listens(port, 10_000);
    return server;
  };
  const control: Control = async (...args) =>
    (await promisify(execFile)(rabbitMqControl, ['--quiet', ...args], { env })).stdout;
  return Object.assign(launch, { url: `amqp://guest:guest@127.0.0.1:${port}`, control });
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
