import { redisOp } from '@flotilla/bus';
import type { Redis } from 'ioredis';
import { type ScriptName, scripts } from './scripts.ts';

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
