import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { autoscalerConfig } from '@flotilla/autoscaler';
import { consoleConfig } from '@flotilla/console';
import { metadataRelayConfig } from '@flotilla/metadata-relay';
import { registryConfig } from '@flotilla/room-registry';
import { pickEnv } from '@flotilla/runtime';
import { sfuWorkerConfig } from '@flotilla/sfu-worker';
import { gatewayConfig } from '@flotilla/signaling-gateway';
import { type Brokers, Child, freePort, startBrokers } from '@flotilla/testkit';
import type { z } from 'zod';

export interface FleetOptions {
  readonly sfuNodes: number;
  readonly gateways: number;
  /** Default 1. */
  readonly relays?: number;
  /** Port of the call page. 0 takes a free one. */
  readonly port: number;
  /** Sees every line that a process writes. */
  readonly onLine?: (name: string, line: string) => void;
  /** Default: those of REDIS_URL and AMQP_URL, or private ones. */
  readonly brokers?: Brokers;
  /** Settings of the services, on top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A fleet of separate processes on this machine. */
export interface Fleet {
  readonly pageUrl: string;
  readonly registryUrl: string;
  readonly gatewayUrls: readonly string[];
  readonly apiKey: string;
  readonly tokenSecret: string;
  readonly redisUrl: string;
  readonly amqpUrl: string;
  /**
   * The processes by name: `registry-1`, `autoscaler-1`, `gateway-1`, `console-1`; SFU nodes
   * and metadata relays by their id, such as `nd_1` and `rl_1`.
   */
  readonly processes: ReadonlyMap<string, Child>;
  /** Starts an SFU node more. */
  startSfuNode(id: string): Promise<Child>;
  /** Starts a metadata relay more, with settings of its own. */
  startRelay(id: string, settings?: Readonly<Record<string, string>>): Promise<Child>;
  stop(): Promise<void>;
}

const schemas: Record<string, z.ZodObject> = {
  'room-registry': registryConfig,
  'sfu-worker': sfuWorkerConfig,
  'metadata-relay': metadataRelayConfig,
  'signaling-gateway': gatewayConfig,
  console: consoleConfig,
  autoscaler: autoscalerConfig,
};

const entry = (service: string): string =>
  fileURLToPath(new URL('./main.js', import.meta.resolve(`@flotilla/${service}`)));

/**
 * Starts every service as a process of its own, over Redis and RabbitMQ: those of REDIS_URL and AMQP_URL, or private ones.
 * Each process gets only the settings it knows.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { sfuNodes, gateways, relays = 1, onLine } = options;
  const processes = new Map<string, Child>();
  const brokers = options.brokers ?? (await startBrokers());
  const stop = async (): Promise<void> => {
    // The SFU nodes and relays last: those who are leaving may still need them.
    const order = [...processes.values()].sort(
      (a, b) => Number(/^(?:nd|rl)_/.test(a.name)) - Number(/^(?:nd|rl)_/.test(b.name)),
    );
    await Promise.all(order.map((child) => child.stop('SIGTERM', 15_000)));
    await brokers.stop();
  };

  const secret = process.env['FLOTILLA_TOKEN_SECRET'] ?? randomBytes(32).toString('base64url');
  const apiKey = randomBytes(16).toString('base64url');
  const [registryPort, ...gatewayPorts] = await Promise.all(Array.from({ length: 1 + gateways }, () => freePort()));
  const pagePort = options.port || (await freePort());
  const pageUrl = `http://localhost:${pagePort}`;
  const registryUrl = `http://127.0.0.1:${registryPort}`;
  const gatewayUrls = gatewayPorts.map((port) => `http://127.0.0.1:${port}`);
  const shared = {
    REDIS_URL: brokers.redisUrl,
    AMQP_URL: brokers.amqpUrl,
    FLOTILLA_TOKEN_SECRET: secret,
    FLOTILLA_ADMIN_HOST: '127.0.0.1',
    FLOTILLA_ADMIN_PORT: '0',
    // They stop together: there is nowhere to move to.
    FLOTILLA_DRAIN_SECONDS: '0',
    FLOTILLA_ALLOWED_ORIGINS: `${pageUrl},http://127.0.0.1:${pagePort}`,
  };

  const start = async (name: string, service: string, settings: Record<string, string>): Promise<Child> => {
    const env = pickEnv(schemas[service]!, { ...process.env, ...shared, ...settings, ...options.env });
    const child = new Child(name, process.execPath, [entry(service)], { env, onLine: (line) => onLine?.(name, line) });
    processes.set(name, child);
    await child.line(/"msg":"started"|started$|: started/, 30_000);
    return child;
  };
  const startSfuNode = (id: string): Promise<Child> =>
    // The nodes share this machine's cores.
    start(id, 'sfu-worker', {
      FLOTILLA_NODE_ID: id,
      FLOTILLA_SFU_WORKERS: String(Math.max(1, Math.floor(availableParallelism() / sfuNodes))),
    });
  const startRelay: Fleet['startRelay'] = (id, settings = {}) =>
    start(id, 'metadata-relay', { FLOTILLA_RELAY_ID: id, ...settings });

  try {
    await Promise.all([
      start('registry-1', 'room-registry', {
        FLOTILLA_REST_HOST: '127.0.0.1',
        FLOTILLA_REST_PORT: String(registryPort),
        FLOTILLA_API_KEYS: apiKey,
      }),
      ...gatewayPorts.map((port, index) =>
        start(`gateway-${index + 1}`, 'signaling-gateway', {
          FLOTILLA_SIGNAL_HOST: '127.0.0.1',
          FLOTILLA_SIGNAL_PORT: String(port),
        }),
      ),
      start('autoscaler-1', 'autoscaler', {}),
      ...Array.from({ length: sfuNodes }, (_, index) => startSfuNode(`nd_${index + 1}`)),
      ...Array.from({ length: relays }, (_, index) => startRelay(`rl_${index + 1}`)),
      start('console-1', 'console', {
        FLOTILLA_CONSOLE_HOST: '127.0.0.1',
        FLOTILLA_CONSOLE_PORT: String(pagePort),
        FLOTILLA_CONSOLE_OPEN: 'true',
        FLOTILLA_REGISTRY_URL: registryUrl,
        FLOTILLA_API_KEY: apiKey,
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
    gatewayUrls,
    apiKey,
    tokenSecret: secret,
    redisUrl: brokers.redisUrl,
    amqpUrl: brokers.amqpUrl,
    processes,
    startSfuNode,
    startRelay,
    stop,
  };
}
