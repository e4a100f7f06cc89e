import { broadcastStream, gatewayStream, nodeStream, roomStream } from './room-log.ts';

/** What a user of Redis may do. Keys and channels are glob patterns without the namespace. */
export interface RedisAccess {
  /** By command, in upper case: the keys that it may be used on. */
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
  /** Channels. */
  readonly publishes: ReadonlySet<string>;
  readonly subscribes: ReadonlySet<string>;
}

/** Collects what a user may do. */
export class RedisAccessBuilder implements RedisAccess {
  readonly keys = new Map<string, Set<string>>();
  readonly publishes = new Set<string>();
  readonly subscribes = new Set<string>();

  /** Allows commands on keys. */
  allow(commands: Iterable<string>, ...keys: readonly string[]): this {
    for (const command of commands) {
      const known = this.keys.get(command) ?? new Set();
      this.keys.set(command, known);
      for (const key of keys) known.add(key);
    }
    return this;
  }

  /** Allows what another access does. */
  add({ keys, publishes, subscribes }: RedisAccess): this {
    for (const [command, on] of keys) this.allow([command], ...on);
    for (const channel of publishes) this.publishes.add(channel);
    for (const channel of subscribes) this.subscribes.add(channel);
    return this;
  }
}

const reading = [
  ...[
    'EXISTS',
    'GET',
    'TTL',
    'PTTL',
    'HGET',
    'HMGET',
    'HGETALL',
    'HKEYS',
    'HVALS',
    'HLEN',
    'HEXISTS',
    'HSCAN',
    'HRANDFIELD',
  ],
  ...['SMEMBERS', 'SISMEMBER', 'SCARD', 'SRANDMEMBER', 'SSCAN'],
  ...['ZSCORE', 'ZMSCORE', 'ZCARD', 'ZCOUNT', 'ZRANGE', 'ZRANGEBYSCORE', 'ZRANGEBYLEX'],
  ...['XRANGE', 'XREVRANGE', 'XREAD', 'XLEN', 'XINFO'],
] as const;
const writing = [
  ...['SET', 'DEL', 'EXPIRE', 'PEXPIRE', 'PERSIST', 'HSET', 'HDEL', 'SADD', 'SREM', 'ZADD', 'ZREM', 'XADD', 'XDEL'],
] as const;

/** The commands on keys that services use, and whether each reads a key or writes it. */
export const commandEffects: ReadonlyMap<string, 'read' | 'write'> = new Map([
  ...reading.map((command) => [command, 'read'] as const),
  ...writing.map((command) => [command, 'write'] as const),
]);

/** The streams of which a service reads and writes entries, as patterns. */
export interface StreamUse {
  /** Subscribed to. */
  readonly subscribes?: readonly string[];
  /** Read after an offset, or for the last one. */
  readonly reads?: readonly string[];
  readonly appends?: readonly string[];
}

/** Patterns of all streams of a kind. */
export const streamPatterns = {
  room: roomStream('*'),
  gateway: gatewayStream('*'),
  broadcast: broadcastStream,
  nodes: nodeStream,
} as const;

/** What RedisEventLog does for such a use. */
export function streamAccess({ subscribes = [], reads = [], appends = [] }: StreamUse): RedisAccess {
  const access = new RedisAccessBuilder()
    // EXPIRE renews the time to live of a stream that has subscribers.
    .allow(['XREAD', 'XRANGE', 'EXPIRE'], ...subscribes)
    .allow(['EXISTS', 'XINFO', 'XRANGE', 'XREVRANGE'], ...reads)
    .allow(['XREVRANGE', 'XADD', 'TTL', 'EXPIRE'], ...appends);
  for (const stream of appends) access.publishes.add(stream);
  for (const stream of subscribes) access.subscribes.add(stream);
  return access;
}
