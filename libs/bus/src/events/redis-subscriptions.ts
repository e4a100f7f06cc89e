import { compareOffsets, type Offset, startOfStream } from '@flotilla/contracts';
import { counter, type Logger } from '@flotilla/runtime';
import type { Redis } from 'ioredis';
import { idleStreamSeconds, type LogEntry, type OnEntries, type StreamSubscription } from './event-log.ts';
import { type RawEntry, toEntries } from './redis-client.ts';
import { type ReadPosition, StreamLag } from './stream-lag.ts';
import type { RedisLink } from './redis-link.ts';

const gaps = counter({
  name: 'flotilla_stream_gaps_total',
  help: 'Subscriptions of this process to a stream whose entries were trimmed before they were read.',
});

interface StreamState {
  readonly key: string;
  /** Offset of the last delivered entry, or an earlier one at which a new subscriber starts. */
  offset: Offset;
  readonly subscribers: Set<Subscriber>;
}

interface Subscriber {
  after: Offset;
  readonly onEntries: OnEntries;
  readonly onMissed: (() => void) | undefined;
}

/** Maximum number of streams per XREAD. */
const streamsPerRead = 64;
/** Maximum number of entries per stream and XREAD. */
const entriesPerRead = 256;
/** Maximum number of channels per SUBSCRIBE. */
const channelsPerCommand = 500;
/** Interval at which all streams are read, which renews their time to live, ms. */
const renewalMs = (idleStreamSeconds * 1000) / 4;

/**
 * Subscriptions to streams. An append also publishes its entry on a channel (see `streamLua`), so the cost of an entry does not grow
 * with the number of subscribed streams, as it would with a blocking XREAD, which repeats all their names after every entry. Each
 * published entry carries the offset of the one before it: on a gap, and after every (re)connection, the stream itself is read.
 *
 * A stream that had expired would look like one whose entries were lost, so each read renews the time to live of a stream that has one.
 */
export class RedisSubscriptions {
  readonly #link: RedisLink;
  readonly #subscriber: Redis;
  readonly #reader: Redis;
  readonly #log: Logger;
  readonly #streams = new Map<string, StreamState>();
  /** Channels to subscribe to at the end of this turn of the event loop, in one command. */
  #toSubscribe: string[] = [];
  /** Streams that may have undelivered entries. */
  readonly #behind = new Set<StreamState>();
  #reading: Promise<void> | undefined;
  readonly #renewal: NodeJS.Timeout;
  readonly #lag: StreamLag;
  #stopped = false;

  /** `link` is used for SUBSCRIBE only and closed with this object; `reader` may be shared. */
  constructor(
    link: RedisLink,
    reader: Redis,
    countAfter: (positions: readonly ReadPosition[]) => Promise<readonly number[]>,
    log: Logger,
  ) {
    this.#link = link;
    const subscriber = (this.#subscriber = link.redis);
    this.#reader = reader;
    this.#log = log;
    subscriber.on('message', (key: string, message: string) => this.#onMessage(key, message));
    subscriber.on('ready', () => this.#subscribe([...this.#streams.keys()]));
    // After a failure ioredis reconnects.
    link.connect().catch(() => undefined);
    this.#lag = new StreamLag(() => this.#streams.values(), countAfter);
    this.#renewal = setInterval(() => {
      for (const stream of this.#streams.values()) this.#readLater(stream);
    }, renewalMs).unref();
  }

  /** Why the connection cannot be used; undefined also during the first attempt to connect. */
  problem(): string | undefined {
    return ['wait', 'connecting', 'connect'].includes(this.#subscriber.status) ? undefined : this.#link.problem();
  }

  subscribe(key: string, after: Offset, onEntries: OnEntries, onMissed?: () => void): StreamSubscription {
    const subscriber: Subscriber = { after, onEntries, onMissed };
    let stream = this.#streams.get(key);
    if (!stream) {
      stream = { key, offset: after, subscribers: new Set() };
      this.#streams.set(key, stream);
      this.#subscribeLater(key);
    } else if (isBefore(after, stream.offset)) {
      // The stream is read again from there; the other subscribers skip what they already have.
      stream.offset = after;
      this.#readLater(stream);
    }
    stream.subscribers.add(subscriber);
    return {
      skipTo: (offset) => {
        if (isBefore(subscriber.after, offset)) subscriber.after = offset;
      },
      stop: () => {
        stream.subscribers.delete(subscriber);
        if (stream.subscribers.size > 0 || this.#streams.get(key) !== stream) return;
        this.#streams.delete(key);
        this.#behind.delete(stream);
        this.#subscriber.unsubscribe(key).catch(() => undefined);
      },
    };
  }

  #subscribeLater(key: string): void {
    if (this.#toSubscribe.push(key) > 1) return;
    queueMicrotask(() => {
      const keys = this.#toSubscribe;
      this.#toSubscribe = [];
      // Some may have lost their last subscriber meanwhile.
      this.#subscribe(keys.filter((key) => this.#streams.has(key)));
    });
  }

  /** Subscribes to channels, then reads the entries before. A failure is repaired after the reconnection. */
  #subscribe(keys: readonly string[]): void {
    if (this.#subscriber.status !== 'ready') return;
    for (let from = 0; from < keys.length; from += channelsPerCommand) {
      const some = keys.slice(from, from + channelsPerCommand);
      this.#subscriber.subscribe(...some).then(
        () => {
          for (const key of some) this.#readLater(this.#streams.get(key));
        },
        (error: unknown) => this.#log.debug({ err: error }, 'SUBSCRIBE failed'),
      );
    }
  }

  #onMessage(key: string, message: string): void {
    const stream = this.#streams.get(key);
    if (!stream) return;
    const first = message.indexOf(' ');
    const second = message.indexOf(' ', first + 1);
    const offset = message.slice(0, first);
    if (!isBefore(stream.offset, offset)) return;
    if (message.slice(first + 1, second) !== stream.offset) return this.#readLater(stream);
    this.#deliver(stream, [{ offset, data: message.slice(second + 1) }]);
  }

  #deliver(stream: StreamState, entries: readonly LogEntry[]): void {
    const last = entries.at(-1)!.offset;
    stream.offset = last;
    for (const subscriber of stream.subscribers) {
      if (!isBefore(subscriber.after, last)) continue;
      const fresh = isBefore(subscriber.after, entries[0]!.offset)
        ? entries
        : entries.filter(({ offset }) => isBefore(subscriber.after, offset));
      subscriber.after = last;
      subscriber.onEntries(fresh);
    }
  }

  #readLater(stream: StreamState | undefined): void {
    if (!stream || stream.subscribers.size === 0) return;
    this.#behind.add(stream);
    this.#reading ??= this.#readAll();
  }

  async #readAll(): Promise<void> {
    // Collects the streams that fall behind in one turn of the event loop.
    await Promise.resolve();
    while (this.#behind.size > 0 && !this.#stopped) {
      const streams = [...this.#behind].slice(0, streamsPerRead);
      for (const stream of streams) this.#behind.delete(stream);
      try {
        await this.#read(streams);
      } catch (error) {
        this.#log.debug({ err: error }, 'XREAD failed, waiting for Redis');
        for (const stream of streams) if (stream.subscribers.size > 0) this.#behind.add(stream);
        await this.#connected();
      }
    }
    this.#reading = undefined;
  }

  async #read(streams: readonly StreamState[]): Promise<void> {
    const from = new Map(streams.map((stream) => [stream.key, { stream, offset: stream.offset }]));
    const offsets = streams.map(({ offset }) => offset);
    const transaction = this.#reader.multi();
    transaction.call('XREAD', 'COUNT', entriesPerRead, 'STREAMS', ...from.keys(), ...offsets);
    // An entry that is no longer kept may have been trimmed with others after it.
    for (const { key, offset } of streams) transaction.xrange(key, offset, offset, 'COUNT', 1);
    // GT: longer than now. A stream without a time to live gets none.
    for (const { key } of streams) transaction.expire(key, idleStreamSeconds, 'GT');
    const [read, ...others] = answersOf(await transaction.exec());
    const kept = others.slice(0, streams.length);
    const isKept = new Map(streams.map(({ key }, index) => [key, (kept[index] as RawEntry[]).length > 0]));
    for (const [key, raw] of pairs(read)) {
      const { stream, offset } = from.get(key)!;
      if (this.#streams.get(key) !== stream) continue;
      // A new subscriber started at an earlier offset meanwhile: the stream is read again from there.
      if (isBefore(stream.offset, offset)) continue;
      // The read may have reached its limit before the end of the stream.
      if (raw.length === entriesPerRead) this.#behind.add(stream);
      const entries = toEntries(raw).filter((entry) => isBefore(stream.offset, entry.offset));
      if (entries.length === 0) continue;
      if (offset !== startOfStream && stream.offset === offset && !isKept.get(key)) this.#reportMissed(stream);
      this.#deliver(stream, entries);
    }
  }

  #reportMissed(stream: StreamState): void {
    this.#log.warn({ stream: stream.key }, 'entries of a stream were trimmed before they were read');
    gaps.inc();
    for (const { onMissed } of stream.subscribers) onMissed?.();
  }

  /** Resolves when the reader is connected, and after 1 s at the latest. */
  async #connected(): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#reader.off('ready', done);
        resolve();
      };
      const timer = setTimeout(done, 1000);
      this.#reader.once('ready', done);
    });
  }

  async close(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#renewal);
    this.#lag.stop();
    this.#link.close();
    this.#behind.clear();
    await this.#reading;
  }
}

/** The answers of a transaction. Throws when it or one of its commands failed. */
function answersOf(executed: [error: Error | null, answer: unknown][] | null): unknown[] {
  return (executed ?? []).map(([error, answer]) => {
    if (error) throw error;
    return answer;
  });
}

/** The reply of XREAD as pairs. RESP3 returns a map, which ioredis passes on flat or as an object; RESP2 returns pairs. */
function pairs(answer: unknown): [string, RawEntry[]][] {
  if (!answer) return [];
  if (answer instanceof Map) return [...answer] as [string, RawEntry[]][];
  if (Array.isArray(answer)) {
    if (Array.isArray(answer[0])) return answer as [string, RawEntry[]][];
    return Array.from({ length: answer.length / 2 }, (_, index) => [
      answer[index * 2] as string,
      answer[index * 2 + 1] as RawEntry[],
    ]);
  }
  return Object.entries(answer as Record<string, RawEntry[]>);
}

const isBefore = (a: Offset, b: Offset): boolean => compareOffsets(a, b) < 0;
