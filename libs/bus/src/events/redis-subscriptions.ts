import { compareOffsets, type Offset } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Redis } from 'ioredis';
import type { StreamSubscription, LogEntry } from './event-log.ts';
import { type RawEntry, toEntries } from './redis-client.ts';

interface StreamState {
  readonly key: string;
  /** The last entry that was handed over; further back when a subscriber began there. */
  offset: Offset;
  readonly subscribers: Set<Subscriber>;
}

interface Subscriber {
  after: Offset;
  readonly onEntries: (entries: readonly LogEntry[]) => void;
}

/** Streams that one XREAD asks for, and entries it may bring of each. */
const streamsPerRead = 64;
const entriesPerRead = 256;
/** Channels that one SUBSCRIBE names. */
const channelsPerCommand = 500;
/** A connection on which nothing is ever asked does not notice that the other end is gone. */
const pingMs = 5000;

/**
 * Follows streams. Whoever appends also publishes the entry (see streamLua), so that it costs what it weighs, however many
 * streams are followed: a blocking XREAD names all of them anew after every entry. The stream is what counts: what was published
 * while nobody listened is read there, as soon as an entry does not follow right on the last, and after every (re)connection.
 */
export class RedisSubscriptions {
  readonly #subscriber: Redis;
  readonly #reader: Redis;
  readonly #log: Logger;
  readonly #streams = new Map<string, StreamState>();
  /** Channels to be subscribed at the end of this turn. */
  #fresh: string[] = [];
  /** Streams that may hold entries which were not handed over. */
  readonly #behind = new Set<StreamState>();
  #reading: Promise<void> | undefined;
  #stopped = false;
  readonly #ping: NodeJS.Timeout;

  /** `subscriber` is a connection of its own, which is closed with this; `reader` may be shared. */
  constructor(subscriber: Redis, reader: Redis, log: Logger) {
    this.#subscriber = subscriber;
    this.#reader = reader;
    this.#log = log;
    subscriber.on('message', (key: string, message: string) => this.#take(key, message));
    subscriber.on('ready', () => this.#subscribe([...this.#streams.keys()]));
    this.#ping = setInterval(() => this.#check(), pingMs);
    // Should Redis be away, the connection is tried again by itself.
    subscriber.connect().catch(() => undefined);
  }

  /** False while the connection is lost; one that is being made for the first time is no trouble. */
  get reachable(): boolean {
    return ['ready', 'wait', 'connecting', 'connect'].includes(this.#subscriber.status);
  }

  subscribe(key: string, after: Offset, onEntries: (entries: readonly LogEntry[]) => void): StreamSubscription {
    const subscriber: Subscriber = { after, onEntries };
    let stream = this.#streams.get(key);
    if (!stream) {
      stream = { key, offset: after, subscribers: new Set() };
      this.#streams.set(key, stream);
      this.#subscribeLater(key);
    } else if (isBefore(after, stream.offset)) {
      // Read again from there; the others skip what they had.
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
    if (this.#fresh.push(key) > 1) return;
    queueMicrotask(() => {
      const keys = this.#fresh;
      this.#fresh = [];
      // Some are not followed any more.
      this.#subscribe(keys.filter((key) => this.#streams.has(key)));
    });
  }

  /** From then on entries come by themselves; those before are read. What fails is made up for when the connection is back. */
  #subscribe(keys: readonly string[]): void {
    if (this.#subscriber.status !== 'ready') return;
    for (let from = 0; from < keys.length; from += channelsPerCommand) {
      const some = keys.slice(from, from + channelsPerCommand);
      this.#subscriber.subscribe(...some).then(
        () => {
          for (const key of some) this.#readLater(this.#streams.get(key));
        },
        (error: unknown) => this.#log.debug({ err: error }, 'not subscribed, Redis is away'),
      );
    }
  }

  #take(key: string, message: string): void {
    const stream = this.#streams.get(key);
    if (!stream) return;
    const first = message.indexOf(' ');
    const second = message.indexOf(' ', first + 1);
    const offset = message.slice(0, first);
    if (!isBefore(stream.offset, offset)) return;
    if (message.slice(first + 1, second) !== stream.offset) return this.#readLater(stream);
    this.#handOver(stream, [{ offset, data: message.slice(second + 1) }]);
  }

  #handOver(stream: StreamState, entries: readonly LogEntry[]): void {
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
    // Those that fall behind in one turn are read together.
    await Promise.resolve();
    while (this.#behind.size > 0 && !this.#stopped) {
      const streams = [...this.#behind].slice(0, streamsPerRead);
      for (const stream of streams) this.#behind.delete(stream);
      try {
        await this.#read(streams);
      } catch (error) {
        this.#log.debug({ err: error }, 'waiting for Redis');
        for (const stream of streams) if (stream.subscribers.size > 0) this.#behind.add(stream);
        await this.#connected();
      }
    }
    this.#reading = undefined;
  }

  async #read(streams: readonly StreamState[]): Promise<void> {
    const from = new Map(streams.map((stream) => [stream.key, { stream, offset: stream.offset }]));
    const answer = await this.#reader.call(
      'XREAD',
      'COUNT',
      entriesPerRead,
      'STREAMS',
      ...from.keys(),
      ...streams.map(({ offset }) => offset),
    );
    for (const [key, raw] of pairs(answer)) {
      const { stream, offset } = from.get(key)!;
      if (this.#streams.get(key) !== stream) continue;
      // A subscriber began further back meanwhile: the stream is read again from there.
      if (isBefore(stream.offset, offset)) continue;
      // There may be more than one read brings.
      if (raw.length === entriesPerRead) this.#behind.add(stream);
      const entries = toEntries(raw).filter((entry) => isBefore(stream.offset, entry.offset));
      if (entries.length > 0) this.#handOver(stream, entries);
    }
  }

  /** Resolves when streams can be read again, or after a second, to look again. */
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

  #check(): void {
    if (this.#subscriber.status !== 'ready') return;
    this.#subscriber.ping().catch((error: unknown) => {
      this.#log.debug({ err: error }, 'Redis does not answer, connecting anew');
      if (!this.#stopped) this.#subscriber.disconnect(true);
    });
  }

  async close(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#ping);
    this.#subscriber.disconnect();
    this.#behind.clear();
    await this.#reading;
  }
}

/** RESP3 answers XREAD with a map, which arrives flat or as an object; RESP2 with pairs. */
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
