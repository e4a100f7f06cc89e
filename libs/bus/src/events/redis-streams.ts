import { type Offset, startOfStream } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Redis } from 'ioredis';
import { type EventLog, type Following, type LogEntry, maxStreamLength } from './event-log.ts';
import { connectRedis, type RawEntry, redisOp, streamKey, toEntries } from './redis-client.ts';
import { RedisFollowers } from './redis-followers.ts';
import { streamLua } from './stream-script.ts';

const append = 'appendEntry';
/** keys: stream. args: data. Returns {offset, previous offset}. */
const appendScript = `${streamLua}
return append(KEYS[1], ${maxStreamLength}, ARGV[1])`;

export interface RedisEventLogOptions {
  readonly url: string;
  /** Prefix of every key. */
  readonly namespace: string;
  readonly log: Logger;
}

/**
 * The event log over Redis Streams (Redis 7). Appends and reads share one connection; another hears of the streams that are
 * followed.
 *
 * Lost when: Redis loses its data (a restart without persistence, or a failover before replication caught up): entries of
 * the last moment are then gone for everybody, and a listener whose offset is newer than the stream is answered 'gone'.
 */
export class RedisEventLog implements EventLog {
  readonly #redis: Redis;
  readonly #namespace: string;
  #followers: RedisFollowers | undefined;

  private constructor(
    redis: Redis,
    private readonly options: RedisEventLogOptions,
  ) {
    this.#redis = redis;
    this.#namespace = options.namespace;
  }

  static async connect(options: RedisEventLogOptions): Promise<RedisEventLog> {
    const { url, log } = options;
    const redis = connectRedis(url, log, 'events');
    redis.defineCommand(append, { numberOfKeys: 1, lua: appendScript });
    await redis.connect();
    return new RedisEventLog(redis, options);
  }

  async append(stream: string, data: string): Promise<Offset> {
    return (await this.appendNext(stream, data)).offset;
  }

  appendNext(stream: string, data: string): Promise<{ offset: Offset; previous: Offset }> {
    const commands = this.#redis as unknown as {
      [append](key: string, data: string): Promise<[offset: Offset, previous: Offset]>;
    };
    return redisOp(async () => {
      const [offset, previous] = await commands[append](streamKey(this.#namespace, stream), data);
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
    const { url, log } = this.options;
    this.#followers ??= new RedisFollowers(
      connectRedis(url, log, 'followers', { autoResubscribe: false }),
      this.#redis,
      log,
    );
    return this.#followers.follow(streamKey(this.#namespace, stream), after, onEntries);
  }

  problem(): string | undefined {
    if (this.#redis.status !== 'ready') return 'Redis is out of reach';
    return (this.#followers?.reachable ?? true) ? undefined : 'Redis is out of reach for followers';
  }

  async close(): Promise<void> {
    await this.#followers?.close();
    this.#redis.disconnect();
  }
}
