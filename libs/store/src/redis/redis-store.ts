import { connectRedis, redisOp } from '@flotilla/bus';
import type { Logger } from '@flotilla/runtime';
import type { Redis } from 'ioredis';
import type { Store } from '../store.ts';
import { Keys } from './keys.ts';
import { RedisNodes } from './nodes.ts';
import { RedisRooms } from './rooms.ts';
import { type ScriptName, scripts } from './scripts.ts';
import { RedisSessions } from './sessions.ts';

/**
 * The fleet's state in Redis 7. Lost when: Redis loses its data. A write that was acknowledged may be lost in a failover,
 * because replication is asynchronous; members that vanish so come back when their clients join again.
 */
export class RedisStore implements Store {
  readonly rooms: RedisRooms;
  readonly nodes: RedisNodes;
  readonly sessions: RedisSessions;
  readonly #redis: Redis;

  private constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    const client = new ScriptClient(redis);
    this.rooms = new RedisRooms(client, keys);
    this.nodes = new RedisNodes(client, keys);
    this.sessions = new RedisSessions(client, keys);
  }

  static async connect(options: { url: string; namespace: string; log: Logger }): Promise<RedisStore> {
    const redis = connectRedis(options.url, options.log, 'store');
    await redis.connect();
    return new RedisStore(redis, new Keys(options.namespace));
  }

  problem(): string | undefined {
    return this.#redis.status === 'ready' ? undefined : 'Redis is out of reach';
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}

/** The one way the store talks to Redis: scripts by name, and plain commands, with failures as UNAVAILABLE. */
export class ScriptClient {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
    for (const [name, { numberOfKeys, lua }] of Object.entries(scripts))
      redis.defineCommand(name, { numberOfKeys, lua });
  }

  /** Runs a script. What it returns is in its comment; the caller knows it as `T`. */
  run<T>(script: ScriptName, ...keysAndArgs: (string | number)[]): Promise<T> {
    const commands = this.#redis as unknown as Record<ScriptName, (...args: (string | number)[]) => Promise<T>>;
    return redisOp(() => commands[script](...keysAndArgs));
  }

  do<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    return redisOp(() => work(this.#redis));
  }
}
