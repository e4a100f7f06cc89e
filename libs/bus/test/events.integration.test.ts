import { compareOffsets } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { startRedis } from '@flotilla/processes';
import { notYet, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type EventLog,
  type StreamSubscription,
  type LogEntry,
  idleStreamSeconds,
  keptEntries,
  maxStreamLength,
  MemoryEventLog,
  RedisEventLog,
} from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'error' });

const adapters: Record<string, () => Promise<EventLog>> = {
  memory: async () => new MemoryEventLog(),
  redis: () => RedisEventLog.connect({ url: testBrokers().redisUrl, namespace: uniqueName('t'), log }),
};

/** Collects the entries delivered to a subscriber, and waits for a number of them. */
function collector() {
  const seen: string[] = [];
  return {
    seen,
    onEntries: (entries: readonly LogEntry[]) => void seen.push(...entries.map(({ data }) => data)),
    until: (count: number) =>
      waitFor(`${count} entries`, () => seen.length >= count || notYet(`there are ${seen.length}`)),
  };
}

describe.each(Object.entries(adapters))('event log over %s', (_name, open) => {
  let events: EventLog;

  beforeEach(async () => {
    events = await open();
  });
  afterEach(() => events.close());

  const append = async (stream: string, count: number, from = 0) => {
    const offsets: string[] = [];
    for (let index = from; index < from + count; index++) offsets.push(await events.append(stream, String(index)));
    return offsets;
  };

  test('offsets are unique and increasing, and lastOffset is that of the newest entry', async () => {
    expect(await events.lastOffset('a')).toBe('0-0');
    const offsets = await append('a', 50);
    expect(offsets.toSorted(compareOffsets)).toEqual(offsets);
    expect(new Set(offsets).size).toBe(50);
    expect(await events.lastOffset('a')).toBe(offsets.at(-1));
  });

  test('entries after an offset are counted for several streams at once, up to what a stream keeps', async () => {
    const offsets = await append('a', 5);
    await append('many', maxStreamLength + 300);
    const positions = [
      { stream: 'a', offset: offsets[1]! },
      { stream: 'a', offset: offsets[4]! },
      { stream: 'none', offset: '0-0' },
      { stream: 'many', offset: '0-0' },
    ];
    expect(await events.countAfter(positions)).toEqual([3, 0, 0, maxStreamLength]);
  });

  test('a stream whose last entry has a TTL is empty after it', async () => {
    await events.append('a', '1', 1);
    expect(await events.readAfter('a', '0-0', 10)).toHaveLength(1);
    await waitFor('the end of the stream', async () => {
      if ((await events.lastOffset('a')) !== '0-0') notYet('it has its entry');
    });
    expect(await events.readAfter('a', '0-0', 10)).toEqual([]);
  });

  test('a subscriber of a stream that was quiet for longer than its TTL gets the next entry, and has missed none', async () => {
    await events.append('quiet', '1', 1);
    const { seen, onEntries, until } = collector();
    let missed = 0;
    const subscription = events.subscribe('quiet', '0-0', onEntries, () => missed++);
    await until(1);
    await events.append('quiet', '2', 1);
    await until(2);
    await events.append('control', '1', 1);
    await waitFor('the end of a stream without subscribers', async () => {
      if ((await events.lastOffset('control')) !== '0-0') notYet('it has its entry');
    });
    expect(await events.readAfter('quiet', '0-0', 10)).toHaveLength(2);
    await events.append('quiet', '3', 1);
    await until(3);
    expect(seen).toEqual(['1', '2', '3']);
    expect(missed).toBe(0);
    subscription.stop();
  });

  test('readAfter returns the entries after an offset, in order and within the limit', async () => {
    const offsets = await append('a', 10);
    const later = await events.readAfter('a', offsets[3]!, 100);
    expect(later).toEqual([4, 5, 6, 7, 8, 9].map((index) => ({ offset: offsets[index], data: String(index) })));
    expect(await events.readAfter('a', offsets[3]!, 2)).toHaveLength(2);
    expect(await events.readAfter('a', offsets[9]!, 100)).toEqual([]);
    expect(await events.readAfter('a', '0-0', 100)).toHaveLength(10);
    expect(await events.readAfter('never written', '0-0', 100)).toEqual([]);
  });

  test('large entries trim a stream to the bytes that it may keep, and a reader from the start learns of it', async () => {
    const entry = (bytes: number) => JSON.stringify('x'.repeat(bytes));
    const kept = keptEntries(maxStreamLength, entry(60_000).length);
    for (let index = 0; index < kept * 2; index++) await events.append('large', entry(60_000));
    const newest = await events.lastOffset('large');
    expect(await events.readAfter('large', '0-0', maxStreamLength)).toBe('trimmed');
    const first = await events.append('small', entry(10));
    for (let index = 0; index < 10; index++) await events.append('small', entry(10));
    expect(await events.readAfter('small', '0-0', 100)).toHaveLength(11);
    expect(await events.readAfter('small', first, 100)).toHaveLength(10);
    expect(await events.readAfter('large', newest, 100)).toEqual([]);
  });

  test('readAfter an offset whose successors were trimmed returns "trimmed", never a part of the entries', async () => {
    const [first] = await append('a', 1);
    expect(await events.readAfter('a', '1-1', 100)).toBe('trimmed');
    await append('a', maxStreamLength * 2);
    expect(await events.readAfter('a', first!, 100)).toBe('trimmed');
    expect(await events.readAfter('a', '0-0', 100)).toBe('trimmed');
  });

  test('a subscriber that is further behind than the stream is long is notified before it gets the entries that are kept', async () => {
    const [first] = await append('a', 1);
    await Promise.all(Array.from({ length: maxStreamLength * 2 }, (_, index) => events.append('a', String(index))));
    const happened: string[] = [];
    const { onEntries, until, seen } = collector();
    events.subscribe(
      'a',
      first!,
      (entries) => {
        happened.push('entries');
        onEntries(entries);
      },
      () => happened.push('missed'),
    );
    await until(maxStreamLength);
    await events.append('a', 'later');
    await waitFor('the last entry', () => seen.at(-1) === 'later' || notYet(String(seen.at(-1))));
    expect(happened.indexOf('missed')).toBe(0);
    expect(happened.filter((each) => each === 'missed')).toHaveLength(1);
    expect(seen.length).toBeLessThan(maxStreamLength * 2);
  });

  test('a subscriber gets the existing entries and then the new ones, each once and in order', async () => {
    const [first] = await append('a', 5);
    const { seen, onEntries, until } = collector();
    events.subscribe('a', first!, onEntries);
    await until(4);
    await append('a', 5, 5);
    await until(9);
    expect(seen).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  test('appendNext returns the previous offset, and skipTo suppresses the delivery of earlier entries', async () => {
    expect(await events.appendNext('a', '0')).toMatchObject({ previous: '0-0' });
    const { seen, onEntries, until } = collector();
    const subscription = events.subscribe('a', await events.lastOffset('a'), onEntries);
    let last = await events.append('a', '1');
    await until(1);
    for (let index = 2; index < 20; index++) {
      const { offset, previous } = await events.appendNext('a', String(index));
      expect(previous).toBe(last);
      last = offset;
      // Skips every other entry, with all before it.
      if (index % 2 === 0) subscription.skipTo(offset);
      else await waitFor(`entry ${index}`, () => seen.includes(String(index)) || notYet(`seen: ${seen.join(' ')}`));
    }
    await events.append('a', 'end');
    await waitFor('the last entry', () => (seen.includes('end') ? undefined : notYet(`seen: ${seen.join(' ')}`)));
    const odd = seen.filter((data) => data !== 'end').map(Number);
    // An even entry is delivered when it arrives before the call of skipTo.
    expect(odd.filter((index) => index % 2 === 1)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    expect(new Set(odd).size).toBe(odd.length);
  });

  test('subscribers of one stream may start at different offsets', async () => {
    const offsets = await append('a', 6);
    const late = collector();
    events.subscribe('a', offsets[5]!, late.onEntries);
    const early = collector();
    events.subscribe('a', offsets[1]!, early.onEntries);
    await early.until(4);
    await append('a', 1, 6);
    await Promise.all([early.until(5), late.until(1)]);
    expect(early.seen).toEqual(['2', '3', '4', '5', '6']);
    expect(late.seen).toEqual(['6']);
  });

  test('a subscriber gets the entries of its stream only, and none after it stopped', async () => {
    const a = collector();
    const b = collector();
    events.subscribe('a', '0-0', a.onEntries);
    const subscription = events.subscribe('b', '0-0', b.onEntries);
    await append('a', 3);
    await append('b', 2);
    await Promise.all([a.until(3), b.until(2)]);
    subscription.stop();
    await append('b', 2, 2);
    await append('a', 1, 3);
    await a.until(4);
    expect(b.seen).toEqual(['0', '1']);
  });

  test('200 concurrent subscriptions, made while entries are appended, get all entries', async () => {
    const collectors = Array.from({ length: 200 }, (_, index) => {
      const each = collector();
      events.subscribe(`s${index}`, '0-0', each.onEntries);
      return each;
    });
    await Promise.all(collectors.map((_, index) => append(`s${index}`, 5)));
    await Promise.all(collectors.map((each) => each.until(5)));
    for (const { seen } of collectors) expect(seen).toEqual(['0', '1', '2', '3', '4']);
  });
});

describe('event log over Redis', () => {
  test('the time to live of a subscribed stream is renewed again and again, and a stream without one gets none', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const redis = await startRedis();
    const events = await RedisEventLog.connect({ url: redis.url, namespace: 't', log });
    const { Redis } = await import('ioredis');
    const admin = new Redis(redis.url);
    try {
      const { onEntries, until } = collector();
      for (const stream of ['idle', 'kept']) events.subscribe(stream, '0-0', onEntries);
      await events.append('idle', 'x', idleStreamSeconds);
      await events.append('kept', 'x');
      await until(2);
      for (let round = 0; round < 2; round++) {
        await admin.expire('t:idle', 60);
        vi.advanceTimersByTime((idleStreamSeconds * 1000) / 2);
        await waitFor('the renewal', async () => {
          const ttl = await admin.ttl('t:idle');
          if (ttl <= 60) notYet(`it has ${ttl} s`);
        });
      }
      expect(await admin.ttl('t:kept')).toBe(-1);
    } finally {
      vi.useRealTimers();
      admin.disconnect();
      await events.close();
      await redis.stop();
    }
  });

  test('after its last subscription stopped, the channel of a stream is unsubscribed', async () => {
    const redis = await startRedis();
    const events = await RedisEventLog.connect({ url: redis.url, namespace: 't', log });
    const { Redis } = await import('ioredis');
    const admin = new Redis(redis.url);
    const { onEntries, until } = collector();
    events.subscribe('kept', '0-0', onEntries);
    events.subscribe('stopped at once', '0-0', onEntries).stop();
    const later = events.subscribe('stopped later', '0-0', onEntries);
    await events.append('stopped later', 'x');
    await until(1);
    later.stop();
    await waitFor('one remaining channel', async () => {
      const channels = (await admin.call('PUBSUB', 'CHANNELS')) as string[];
      if (channels.join() !== 't:kept') notYet(`there are ${channels.join(', ')}`);
    });
    admin.disconnect();
    await events.close();
    await redis.stop();
  });

  test('a subscriber gets all entries when its connection is killed', async () => {
    const redis = await startRedis();
    const events = await RedisEventLog.connect({ url: redis.url, namespace: 't', log });
    const { Redis } = await import('ioredis');
    const admin = new Redis(redis.url);
    const { seen, onEntries, until } = collector();
    events.subscribe('a', '0-0', onEntries);
    await events.append('a', 'before');
    await until(1);

    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await waitFor('a successful append', () => events.append('a', 'after'));
    await until(2);
    expect(seen).toEqual(['before', 'after']);
    admin.disconnect();
    await events.close();
    await redis.stop();
  });

  test('subscribers that start and stop at any offset get all entries while the pub/sub connection is killed repeatedly', async () => {
    const redis = await startRedis();
    const events = await RedisEventLog.connect({ url: redis.url, namespace: 't', log });
    const { Redis } = await import('ioredis');
    const admin = new Redis(redis.url);
    const streams = ['a', 'b', 'c'];
    const written = new Map(streams.map((stream) => [stream, [] as { offset: string; data: string }[]]));
    const all: { stream: string; from: number; seen: string[]; subscription: StreamSubscription; stopped: boolean }[] =
      [];
    for (let round = 0; round < 300; round++) {
      const stream = streams[round % 3]!;
      const entries = written.get(stream)!;
      entries.push({ data: String(round), offset: await events.append(stream, String(round)) });
      if (round % 20 === 7) await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      if (round % 5 === 0) {
        const from = Math.floor((entries.length * (round % 7)) / 6);
        const { seen, onEntries } = collector();
        const subscription = events.subscribe(stream, entries[from - 1]?.offset ?? '0-0', onEntries);
        all.push({ stream, from, seen, subscription, stopped: false });
      }
      if (round % 11 === 10) {
        const one = all[round % all.length]!;
        one.subscription.stop();
        one.stopped = true;
      }
    }
    await waitFor('all entries at all subscribers', () => {
      for (const { stream, from, seen, stopped } of all) {
        const due = written.get(stream)!.length - from;
        if (!stopped && seen.length < due) notYet(`${seen.length} of ${due} entries on ${stream}`);
      }
    });
    for (const { stream, from, seen } of all) {
      const due = written
        .get(stream)!
        .slice(from)
        .map(({ data }) => data);
      expect(seen).toEqual(due.slice(0, seen.length));
    }
    admin.disconnect();
    await events.close();
    await redis.stop();
  });

  test('appends fail with UNAVAILABLE while Redis is down, and subscriptions and appends work after its restart', async () => {
    const redis = await startRedis();
    const events = await RedisEventLog.connect({ url: redis.url, namespace: 't', log });
    await redis.stop();
    await waitFor('a reported problem', () => events.problem() ?? notYet('no problem is reported'));
    await expect(events.append('a', 'x')).rejects.toMatchObject({ code: 'UNAVAILABLE' });

    const again = await startRedis({ port: Number(new URL(redis.url).port) });
    await waitFor('the reconnection', () => events.problem() === undefined || notYet(String(events.problem())));
    const { onEntries, until } = collector();
    events.subscribe('a', '0-0', onEntries);
    await events.append('a', 'y');
    await until(1);
    await events.close();
    await again.stop();
  });
});
