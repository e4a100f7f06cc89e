import { randomBytes } from 'node:crypto';
import { newApiKey } from '@flotilla/auth';
import { configurations, services } from '@flotilla/image';
import { pickEnv, usableCores } from '@flotilla/runtime';
import { adminUrlOf, type Brokers, Child, freePort, startBrokers } from '@flotilla/processes';

export interface FleetOptions {
  readonly sfuNodes: number;
  readonly gateways: number;
  /** Numbers of registries and autoscalers. Default 1 each. */
  readonly registries?: number;
  readonly autoscalers?: number;
  /** Default 1. */
  readonly relays?: number;
  /** Port of the call page. 0 takes a free one. */
  readonly port: number;
  /** Called with every line that a process writes. */
  readonly onLine?: (name: string, line: string) => void;
  /** Default: those of REDIS_URL and AMQP_URL, or private ones. */
  readonly brokers?: Brokers;
  /** Settings of the services, on top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Settings of the processes of a service, on top of those of all. */
  readonly serviceEnv?: (service: keyof typeof configurations) => Readonly<Record<string, string>>;
  /** Settings of one SFU node, on top of all others. */
  readonly sfuEnv?: (nodeId: string) => Readonly<Record<string, string>>;
  /** Settings of a process by its name, on top of all others. */
  readonly processEnv?: (name: string) => Readonly<Record<string, string>>;
  /** Flags of Node for a process by its name, asked for at each start. */
  readonly nodeFlags?: (name: string) => readonly string[];
}

/** A fleet of separate processes on this machine. */
export interface Fleet {
  readonly pageUrl: string;
  readonly registryUrl: string;
  /** The REST APIs of all registries, in the order of their names. */
  readonly registryUrls: readonly string[];
  readonly gatewayUrls: readonly string[];
  /** An API key with all scopes. */
  readonly apiKey: string;
  /** An API key with the scope `read`. */
  readonly readKey: string;
  readonly tokenSecret: string;
  readonly redisUrl: string;
  readonly amqpUrl: string;
  /**
   * The processes by name: `registry-1`, `autoscaler-1`, `gateway-1`, `console-1`; SFU nodes
   * and metadata relays by their id, such as `nd_1` and `rl_1`.
   */
  readonly processes: ReadonlyMap<string, Child>;
  /** Starts another SFU node. */
  startSfuNode(id: string): Promise<Child>;
  /** Restarts a process that has ended, with the same settings. */
  startAgain(name: string): Promise<Child>;
  /** Starts another metadata relay, with additional settings. */
  startRelay(id: string, settings?: Readonly<Record<string, string>>): Promise<Child>;
  stop(): Promise<void>;
}

/** Settings of a fleet whose media is received at these addresses. Default: on loopback only. */
export function mediaAt(ips: readonly string[]): Record<string, string> {
  const listed = ips.join(',');
  return { FLOTILLA_SFU_LISTEN_IPS: listed, FLOTILLA_RELAY_LISTEN_IPS: listed };
}

/**
 * Starts every service as a process of its own, over Redis and RabbitMQ: those of REDIS_URL and AMQP_URL, or private ones.
 * Each process gets only its own settings.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { sfuNodes, gateways, registries = 1, autoscalers = 1, relays = 1, onLine } = options;
  const processes = new Map<string, Child>();
  const launches = new Map<string, () => Promise<Child>>();
  const brokers = options.brokers ?? (await startBrokers({ durable: true }));
  const stop = async (): Promise<void> => {
    // SFU nodes and relays last: services that stop may still need them.
    const order = [...processes.values()].sort(
      (a, b) => Number(/^(?:nd|rl)_/.test(a.name)) - Number(/^(?:nd|rl)_/.test(b.name)),
    );
    await Promise.all(order.map((child) => child.stop('SIGTERM', 15_000)));
    await brokers.stop();
  };

  const secret = process.env['FLOTILLA_TOKEN_SECRET'] ?? randomBytes(32).toString('base64url');
  const operator = newApiKey('operator', '*');
  const reader = newApiKey('reader', ['read']);
  const guests = newApiKey('console', ['rooms', 'tokens']);
  const free = (count: number): Promise<number[]> => Promise.all(Array.from({ length: count }, () => freePort()));
  const [registryPorts, gatewayPorts] = [await free(registries), await free(gateways)];
  const pagePort = options.port || (await freePort());
  const pageUrl = `http://localhost:${pagePort}`;
  const registryUrls = registryPorts.map((port) => `http://127.0.0.1:${port}`);
  const registryUrl = registryUrls[0]!;
  const gatewayUrls = gatewayPorts.map((port) => `http://127.0.0.1:${port}`);
  const shared = {
    REDIS_URL: brokers.redisUrl,
    AMQP_URL: brokers.amqpUrl,
    FLOTILLA_TOKEN_SECRET: secret,
    FLOTILLA_ADMIN_HOST: '127.0.0.1',
    FLOTILLA_ADMIN_PORT: '0',
    // All nodes stop together, so there is no node to migrate to.
    FLOTILLA_DRAIN_SECONDS: '0',
    FLOTILLA_STOP_DELAY_SECONDS: '0',
    // The local fleet is meant for experiments and drills.
    FLOTILLA_DRILLS: 'true',
    FLOTILLA_ALLOWED_ORIGINS: `${pageUrl},http://127.0.0.1:${pagePort}`,
  };

  const start = (
    name: string,
    service: keyof typeof configurations,
    settings: Record<string, string>,
    own: Readonly<Record<string, string>> = {},
  ): Promise<Child> => {
    const { main, nodeFlags } = services[service];
    const env = pickEnv(configurations[service], {
      ...process.env,
      ...shared,
      ...settings,
      ...options.env,
      ...options.serviceEnv?.(service),
      ...own,
      ...options.processEnv?.(name),
    });
    const launch = async (): Promise<Child> => {
      const onOwnLine = (line: string): void => onLine?.(name, line);
      const child = new Child(name, process.execPath, [...nodeFlags, ...(options.nodeFlags?.(name) ?? []), main], {
        env,
        onLine: onOwnLine,
      });
      processes.set(name, child);
      await adminUrlOf(child);
      return child;
    };
    launches.set(name, launch);
    return launch();
  };
  const startAgain = async (name: string): Promise<Child> => {
    const launch = launches.get(name);
    if (!launch || !processes.get(name)!.ended) throw new Error(`${name} is not a process that ended`);
    return launch();
  };
  const startSfuNode = (id: string): Promise<Child> =>
    // The nodes share this machine's cores.
    start(
      id,
      'sfu-worker',
      {
        FLOTILLA_NODE_ID: id,
        FLOTILLA_SFU_WORKERS: String(Math.max(1, Math.floor(usableCores() / sfuNodes))),
      },
      options.sfuEnv?.(id),
    );
  const startRelay: Fleet['startRelay'] = (id, settings = {}) =>
    start(id, 'metadata-relay', { FLOTILLA_RELAY_ID: id }, settings);

  try {
    await Promise.all([
      ...registryPorts.map((port, index) =>
        start(`registry-${index + 1}`, 'registry', {
          FLOTILLA_REST_HOST: '127.0.0.1',
          FLOTILLA_REST_PORT: String(port),
          FLOTILLA_API_KEYS: `${operator.entry},${reader.entry},${guests.entry}`,
          // Benchmarks create thousands of rooms.
          FLOTILLA_API_REQUESTS_PER_SECOND: '10000',
        }),
      ),
      ...gatewayPorts.map((port, index) =>
        start(`gateway-${index + 1}`, 'gateway', {
          FLOTILLA_SIGNAL_HOST: '127.0.0.1',
          FLOTILLA_SIGNAL_PORT: String(port),
        }),
      ),
      ...Array.from({ length: autoscalers }, (_, index) => start(`autoscaler-${index + 1}`, 'autoscaler', {})),
      ...Array.from({ length: sfuNodes }, (_, index) => startSfuNode(`nd_${index + 1}`)),
      ...Array.from({ length: relays }, (_, index) => startRelay(`rl_${index + 1}`)),
      start('console-1', 'console', {
        FLOTILLA_CONSOLE_HOST: '127.0.0.1',
        FLOTILLA_CONSOLE_PORT: String(pagePort),
        FLOTILLA_CONSOLE_OPEN: 'true',
        FLOTILLA_REGISTRY_URL: registryUrl,
        FLOTILLA_API_KEY: guests.key,
        FLOTILLA_SIGNAL_URL: gatewayUrls[0]!,
      }),
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pageUrl,
    registryUrl,
    registryUrls,
    gatewayUrls,
    apiKey: operator.key,
    readKey: reader.key,
    tokenSecret: secret,
    redisUrl: brokers.redisUrl,
    amqpUrl: brokers.amqpUrl,
    processes,
    startSfuNode,
    startAgain,
    startRelay,
    stop,
  };
}
