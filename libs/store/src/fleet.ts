import {
  CommandBus,
  type EventLog,
  MemoryCommandTransport,
  MemoryEventLog,
  RabbitMqCommandTransport,
  RedisEventLog,
} from '@flotilla/bus';
import type { BrokerConfig, Health, Logger } from '@flotilla/runtime';
import { MemoryStore } from './memory/memory-store.ts';
import { RedisStore } from './redis/redis-store.ts';
import type { Store } from './store.ts';

/** What joins a service to the rest of the fleet: commands, events and state. */
export interface Fleet {
  readonly bus: CommandBus;
  readonly events: EventLog;
  readonly store: Store;
}

/** Joins the fleet over RabbitMQ and Redis. Waits until both are there. */
export async function connectFleet(config: BrokerConfig, log: Logger): Promise<Fleet & { close(): Promise<void> }> {
  const { REDIS_URL: url, AMQP_URL, FLOTILLA_NAMESPACE: namespace } = config;
  const [transport, events, store] = await Promise.all([
    RabbitMqCommandTransport.connect({ url: AMQP_URL, namespace, log }),
    RedisEventLog.connect({ url, namespace, log }),
    RedisStore.connect({ url, namespace, log }),
  ]);
  const bus = new CommandBus(transport, log);
  return {
    bus,
    events,
    store,
    close: async () => {
      await Promise.allSettled([bus.close(), events.close(), store.close()]);
    },
  };
}

/** A fleet within this process. */
export function memoryFleet(log: Logger): Fleet {
  const events = new MemoryEventLog();
  return { bus: new CommandBus(new MemoryCommandTransport(), log), events, store: new MemoryStore(events) };
}

/** Makes readiness depend on the brokers. Liveness never does. */
export function watchFleet(health: Health, { bus, events, store }: Fleet): void {
  health.addCheck('commands', () => bus.problem());
  health.addCheck('events', () => events.problem());
  health.addCheck('store', () => store.problem());
}
