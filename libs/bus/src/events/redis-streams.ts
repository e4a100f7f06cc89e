import { type Offset, startOfStream } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import {
  type EventLog,
  type LogEntry,
  maxStreamLength,
  type OnEntries,
  type StreamPosition,
  type StreamSubscription,
} from './event-log.ts';
import type { RedisAddress } from './redis-address.ts';
import { type RawEntry, redisOp, streamKey, toEntries } from './redis-client.ts';
import { RedisLink } from './redis-link.ts';
import { RedisSubscriptions } from './redis-subscriptions.ts';
import type { ReadPosition } from './stream-lag.ts';
import { streamLua } from './stream-script.ts';

// The declared key of the scripts is the namespace: of a declared key Redis demands that the user may read and write it, whatever the
// script does.
const append = 'appendEntry';
/** args: stream, data, time to live of the stream in s or empty. Returns {offset, previous offset}. */
const appendScript = `${streamLua}
local stream, data, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local answer = append(stream, ${maxStreamLength}, data)
if ttl and redis.call('TTL', stream) < ttl then redis.call('EXPIRE', stream, ttl) end
return answer`;

const readFromStart = 'readFromStart';
/** args: stream, limit. Returns {entries, 1 when some were trimmed since the stream was created}. */
const readFromStartScript = `
local stream, limit = ARGV[1], ARGV[2]
if redis.call('EXISTS', stream) == 0 then return {{}, 0} end
local info, fields = redis.call('XINFO', 'STREAM', stream), {}
for index = 1, #info, 2 do fields[info[index]] = info[index + 1] end
return {redis.call('XRANGE', stream, '-', '+', 'COUNT', limit), fields['entries-added'] > fields['length'] and 1 or 0}`;

const countAfter = 'countEntriesAfter';
/**
 * args: stream and offset, repeated. Returns the number of entries after each of the first streams: it ends with the stream with which it
 * has counted `maxStreamLength` entries, because it reads them, and a process far behind is not to slow Redis down for all.
 */
const countAfterScript = `
local counts, counted = {}, 0
for index = 1, #ARGV, 2 do
  local count = #redis.call('XRANGE', ARGV[index], '(' .. ARGV[index + 1], '+', 'COUNT', ${maxStreamLength})
  counts[#counts + 1], counted = count, counted + count
  if counted >= ${maxStreamLength} then break end
end
return counts`;

/** The scripts as methods of the client. */
interface StreamCommands {
  [append](
    namespace: string,
    stream: string,
    data: string,
    ttlSeconds: string,
  ): Promise<[offset: Offset, previous: Offset]>;
  [countAfter](namespace: string, ...streamsAndOffsets: string[]): Promise<number[]>;
  [readFromStart](namespace: string, stream: string, limit: number): Promise<[entries: RawEntry[], trimmed: number]>;
}

export interface RedisEventLogOptions extends RedisAddress {
  /** Prefix of every key. */
  readonly namespace: string;
  readonly log: Logger;
}

/**
 * The event log over Redis Streams (Redis 7). Appends and reads share one connection; subscriptions have a second one.
 *
 * Entries are lost when Redis loses data: a restart without persistence, or a fail-over before replication caught up. Reading after
 * an offset that was lost returns 'trimmed'.
 */
export class RedisEventLog implements EventLog {
  readonly #link: RedisLink;
  readonly #namespace: string;
  #subscriptions: RedisSubscriptions | undefined;

  private constructor(
    link: RedisLink,
    private readonly options: RedisEventLogOptions,
  ) {
    this.#link = link;
    this.#namespace = options.namespace;
  }

  get #redis() {
    return this.#link.redis;
  }

  get #commands(): StreamCommands {
    return this.#redis as unknown as StreamCommands;
  }

  static async connect(options: RedisEventLogOptions): Promise<RedisEventLog> {
    const link = new RedisLink(options, options.log, 'events');
    link.redis.defineCommand(append, { numberOfKeys: 1, lua: appendScript });
    link.redis.defineCommand(readFromStart, { numberOfKeys: 1, lua: readFromStartScript });
    link.redis.defineCommand(countAfter, { numberOfKeys: 1, lua: countAfterScript });
    await link.connect();
    return new RedisEventLog(link, options);
  }

  async append(stream: string, data: string, ttlSeconds?: number): Promise<Offset> {
    return (await this.#append(stream, data, ttlSeconds)).offset;
  }

  appendNext(stream: string, data: string): Promise<{ offset: Offset; previous: Offset }> {
    return this.#append(stream, data);
  }

  #append(stream: string, data: string, ttlSeconds?: number): Promise<{ offset: Offset; previous: Offset }> {
    return redisOp('append', async () => {
      const key = streamKey(this.#namespace, stream);
      const [offset, previous] = await this.#commands[append](this.#namespace, key, data, String(ttlSeconds ?? ''));
      return { offset, previous };
    });
  }

  readAfter(stream: string, offset: Offset, limit: number): Promise<LogEntry[] | 'trimmed'> {
    const key = streamKey(this.#namespace, stream);
    return redisOp('read entries', async () => {
      if (offset === startOfStream) {
        const [entries, trimmed] = await this.#commands[readFromStart](this.#namespace, key, limit);
        return trimmed === 1 ? 'trimmed' : toEntries(entries);
      }
      const raw = (await this.#redis.xrange(key, offset, '+', 'COUNT', limit + 1)) as RawEntry[];
      return raw[0]?.[0] === offset ? toEntries(raw.slice(1)) : 'trimmed';
    });
  }

  countAfter(positions: readonly StreamPosition[]): Promise<number[]> {
    return this.#countAfter(
      positions.map(({ stream, offset }) => ({ key: streamKey(this.#namespace, stream), offset })),
    );
  }

  #countAfter(positions: readonly ReadPosition[]): Promise<number[]> {
    const named = positions.flatMap(({ key, offset }) => [key, offset]);
    return redisOp('count entries', () => this.#commands[countAfter](this.#namespace, ...named));
  }

  lastOffset(stream: string): Promise<Offset> {
    return redisOp('last offset', async () => {
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

  subscribe(stream: string, after: Offset, onEntries: OnEntries, onMissed?: () => void): StreamSubscription {
    const { log } = this.options;
    this.#subscriptions ??= new RedisSubscriptions(
      new RedisLink(this.options, log, 'subscribers', { autoResubscribe: false }),
      this.#redis,
      (positions) => this.#countAfter(positions),
      log,
    );
    return this.#subscriptions.subscribe(streamKey(this.#namespace, stream), after, onEntries, onMissed);
  }

  problem(): string | undefined {
    return this.#link.problem() ?? this.#subscriptions?.problem();
  }

  async close(): Promise<void> {
    await this.#subscriptions?.close();
    this.#link.close();
  }
}
