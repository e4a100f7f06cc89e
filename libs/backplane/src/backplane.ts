import { hostname } from 'node:os';
import {
  CommandBus,
  type EventLog,
  MemoryCommandTransport,
  MemoryEventLog,
  type RabbitMqAddress,
  RabbitMqCommandTransport,
  type RedisAddress,
  RedisEventLog,
} from '@flotilla/bus';
import type { BrokerConfig, Health, Logger } from '@flotilla/runtime';
import { BreakerReports } from './breaker-reports.ts';
import { redisWarning } from './broker-check.ts';
import { MemoryStore, RedisStore, type Store } from '@flotilla/store';

/** The connection of a service to the others: commands, events and state. */
export interface Backplane {
  readonly bus: CommandBus;
  readonly events: EventLog;
  readonly store: Store;
}

/** Connects to RabbitMQ and Redis. Rejects when Redis cannot be used or RabbitMQ refuses; waits for RabbitMQ to start. */
export async function connectBackplane(
  config: BrokerConfig & { readonly FLOTILLA_INSTANCE?: string },
  log: Logger,
): Promise<Backplane & { close(): Promise<void> }> {
  const shared = { namespace: config.FLOTILLA_NAMESPACE, log };
  const redis = withFields(redisAddress(config), shared);
  const [transport, events, store] = await Promise.all([
    RabbitMqCommandTransport.connect(withFields(rabbitMqAddress(config), shared)),
    RedisEventLog.connect(redis),
    RedisStore.connect(redis),
  ]);
  const bus = new CommandBus(transport, log, {
    halfOpenMs: config.FLOTILLA_BREAKER_HALF_OPEN_SECONDS * 1000,
    sharedProblem: () => transport.problem() ?? store.problem(),
  });
  const reports = new BreakerReports(bus.guard, store.breakers, callerName(config, log), log);
  void redisWarning('REDIS_URL', redis).then((warning) => {
    if (warning) log.warn({ warning }, 'Redis is not set up as it should be');
  });
  return {
    bus,
    events,
    store,
    close: async () => {
      reports.stop();
      await Promise.allSettled([bus.close(), events.close(), store.close()]);
    },
  };
}

/** How the topology names this process: its service and its instance. */
function callerName({ FLOTILLA_INSTANCE: instance = hostname() }: { FLOTILLA_INSTANCE?: string }, log: Logger): string {
  const { service } = log.bindings() as { service?: string };
  return service === undefined ? instance : `${service} ${instance}`;
}

/** Where Redis is by the configuration of the moment: secrets that are replaced in it are used for connections that are opened then. */
export const redisAddress = (config: BrokerConfig): RedisAddress => ({
  get url() {
    return config.REDIS_URL;
  },
  tls: { ca: config.REDIS_TLS_CA_FILE, cert: config.REDIS_TLS_CERT_FILE, key: config.REDIS_TLS_KEY_FILE },
});

/** Where RabbitMQ is, as `redisAddress`. */
export const rabbitMqAddress = (config: BrokerConfig): RabbitMqAddress => ({
  get url() {
    return config.AMQP_URL;
  },
  tls: { ca: config.AMQP_TLS_CA_FILE, cert: config.AMQP_TLS_CERT_FILE, key: config.AMQP_TLS_KEY_FILE },
});

/** Adds fields to an address, which stays as alive as it is. */
const withFields = <Address extends object, Fields extends object>(
  address: Address,
  fields: Fields,
): Address & Fields =>
  Object.defineProperties({ ...fields }, Object.getOwnPropertyDescriptors(address)) as Address & Fields;

/** A backplane within this process. */
export function memoryBackplane(log: Logger): Backplane {
  const events = new MemoryEventLog();
  const store = new MemoryStore(events);
  const bus = new CommandBus(new MemoryCommandTransport(), log);
  // Ends with its breakers.
  void new BreakerReports(bus.guard, store.breakers, callerName({}, log), log);
  return { bus, events, store };
}

/**
 * How long a broker may be unusable before a service is not ready, ms. An outage makes all instances of a service not ready
 * together: then load balancers lead nobody to them, also not those who could wait, such as clients that resume their session.
 */
const toleratedOutageMs = 15_000;

/** Makes readiness depend on the brokers. Liveness never does. */
export function watchBackplane(health: Health, { bus, events, store }: Backplane): void {
  health.addCheck('commands', () => bus.problem(), toleratedOutageMs);
  health.addCheck('events', () => events.problem(), toleratedOutageMs);
  health.addCheck('store', () => store.problem(), toleratedOutageMs);
}
