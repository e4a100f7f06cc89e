import { type Offset, startOfStream } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Redis } from 'ioredis';
import { dataField, type EventLog, type Following, type LogEntry, maxStreamLength } from './event-log.ts';
import { connectRedis, type RawEntry, redisOp, streamKey, toEntries } from './redis-client.ts';
import { StreamReader } from './redis-stream-reader.ts';

const appendNext = 'appendNext';
const appendNextScript = `
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local offset = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ${maxStreamLength}, '*', '${dataField}', ARGV[1])
return {offset, newest[1] and newest[1][1] or '0-0'}`;

export interface RedisEventLogOptions {
  readonly url: string;
  /** Prefix of every key. */
  readonly namespace: string;
  readonly log: Logger;
  /**
   * Connections that wait for entries, opened as they are needed; the streams followed are spread over them. An entry wakes one
   * of them, which then asks anew for all of its streams: with more of them that is less. Default 16: 64 made no difference at 1,000 streams.
   */
  readonly readers?: number;
}

/**
 * The event log over Redis Streams (Redis 7). Appends and reads share one connection; following uses connections of its
 * own, which block in XREAD.
 *
 * Lost when: Redis loses its data (a restart without persistence, or a failover before replication caught up): entries of
 * the last moment are then gone for everybody, and a listener whose offset is newer than the stream is answered 'gone'.
 */
export class RedisEventLog implements EventLog {
  readonly #redis: Redis;
  readonly #namespace: string;
  readonly #readers: (StreamReader | undefined)[];

  private constructor(
    redis: Redis,
    private readonly options: RedisEventLogOptions,
  ) {
    this.#redis = redis;
    this.#namespace = options.namespace;
    this.#readers = Array.from({ length: options.readers ?? 16 });
  }

  static async connect(options: RedisEventLogOptions): Promise<RedisEventLog> {
    const { url, log } = options;
    const redis = connectRedis(url, log, 'events');
    redis.defineCommand(appendNext, { numberOfKeys: 1, lua: appendNextScript });
    await redis.connect();
    return new RedisEventLog(redis, options);
  }

  #reader(index: number): StreamReader {
    const { url, namespace, log } = this.options;
    return (this.#readers[index] ??= new StreamReader(
      connectRedis(url, log, `reader-${index}`),
      this.#redis,
      namespace,
      log,
    ));
  }

  append(stream: string, data: string): Promise<Offset> {
    return redisOp(async () => {
      const id = await this.#redis.xadd(
        streamKey(this.#namespace, stream),
        'MAXLEN',
        '~',
        maxStreamLength,
        '*',
        dataField,
        data,
      );
      return id!;
    });
  }

  appendNext(stream: string, data: string): Promise<{ offset: Offset; previous: Offset }> {
    const commands = this.#redis as unknown as {
      [appendNext](key: string, data: string): Promise<[offset: Offset, previous: Offset]>;
    };
    return redisOp(async () => {
      const [offset, previous] = await commands[appendNext](streamKey(this.#namespace, stream), data);
      return { offset, previous };
    });
  }

  readAfter(stream: string, offset: Offset, limit: number): Promise<LogEntry[] | 'gone'> {
    const key = streamKey(this.#namespace, stream);
    return redisOp(async () => {
      if (offset === startOfStream) {
        // Complete as long as the stream never grew to where it is trimmed.
        if ((await this.#redis.xlen(key)) >= maxStreamLength) return 'gone';
        return toEntries(await this.#redis.xrange(key, '-', '+', 'COUNT', limit));
      }
      const raw = (await this.#redis.xrange(key, offset, '+', 'COUNT', limit + 1)) as RawEntry[];
      return raw[0]?.[0] === offset ? toEntries(raw.slice(1)) : 'gone';
    });
  }

  lastOffset(stream: string): Promise<Offset> {
    return redisOp(async () => {
      const [newest] = (await this.#redis.xrevrange(
        streamKey(this.#namespace, stream),
        '+',
        '-',
        'COUNT',
        1,
      )) as RawEntry[];
      return newest?.[0] ?? startOfStream;
    });
  }

  follow(stream: string, after: Offset, onEntries: (entries: readonly LogEntry[]) => void): Following {
    const key = streamKey(this.#namespace, stream);
    return this.#reader(hash(key) % this.#readers.length).follow(key, after, onEntries);
  }

  problem(): string | undefined {
    if (this.#redis.status !== 'ready') return 'Redis is out of reach';
    return this.#readers.every((reader) => reader?.reachable ?? true) ? undefined : 'Redis is out of reach for readers';
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#readers.flatMap((reader) => reader?.close() ?? []));
    this.#redis.disconnect();
  }
}

/** FNV-1a: spreads keys over readers. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
