import { type EventLog, MemoryEventLog, parseRoomEvents, RedisEventLog, roomStream } from '@flotilla/bus';
import type { RoomEvent } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { testBrokers, uniqueName } from '@flotilla/testkit';
import { MemoryStore, RedisStore, type Store } from '../src/index.ts';

/** An empty store, and the event log it writes to. */
interface Opened {
  readonly store: Store;
  readonly events: EventLog;
  readonly close: () => Promise<void>;
}

const log = createLogger({ service: 'test', level: 'error' });

function opened(store: Store, events: EventLog): Opened {
  return {
    store,
    events,
    close: async () => {
      await store.close();
      await events.close();
    },
  };
}

/** Every adapter of the store, by name, and how to open it: for `describe.each`. */
export const adapters: [string, () => Promise<Opened>][] = [
  [
    'memory',
    async () => {
      const events = new MemoryEventLog();
      return opened(new MemoryStore(events), events);
    },
  ],
  [
    'redis',
    async () => {
      const options = { url: testBrokers().redisUrl, namespace: uniqueName('t'), log };
      return opened(await RedisStore.connect(options), await RedisEventLog.connect(options));
    },
  ],
];

/** The events of a room from its beginning. */
export async function eventsOf(events: EventLog, roomId: string): Promise<RoomEvent[]> {
  const entries = await events.readAfter(roomStream(roomId), '0-0', 1000);
  return parseRoomEvents(entries as Exclude<typeof entries, 'trimmed'>).map(({ event }) => event);
}
