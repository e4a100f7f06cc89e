import { FlotillaError } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import { Redis } from 'ioredis';
import { type ClientOptions, type RedisAddress, redisOptions } from './redis-address.ts';
import { redisProblemOf, serverRefusalOf, wantsReconnect } from './redis-problem.ts';

/** Interval between two round trips, and how long an answer may take, ms. */
const pingMs = 2000;
const answerMs = 3000;
/** How long Redis counts as refusing writes after it refused one, ms. */
const refusedMs = 5000;

const backoffMs = (attempt: number): number => Math.min(50 * 2 ** attempt, 1000);

/**
 * A connection to Redis that rejects commands at once while Redis is unavailable, and reconnects: after a loss, when a round trip
 * takes too long (a half-open connection stays open otherwise), and when this server is no longer the primary.
 */
export class RedisLink {
  readonly redis: Redis;
  readonly #log: Logger;
  readonly #name: string;
  /** Why the last connection attempt or round trip failed. */
  #failure: string | undefined;
  #refusal: { readonly reason: string; readonly until: number } | undefined;
  #reported: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @param name is part of the client name that Redis lists. */
  constructor(address: RedisAddress, log: Logger, name: string, options: ClientOptions = {}) {
    this.#log = log;
    this.#name = name;
    const settings: ClientOptions = {
      ...redisOptions(address),
      connectionName: `flotilla-${name}`,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: 2000,
      commandTimeout: 5000,
      lazyConnect: true,
      retryStrategy: (attempt) => {
        this.#readAddress(address);
        return backoffMs(attempt);
      },
      sentinelRetryStrategy: backoffMs,
      reconnectOnError: (error) => this.#onReplyError(error),
      ...options,
    };
    this.redis = new Redis(settings);
    this.redis.on('error', (error: Error) => this.#fail(error));
    this.redis.on('ready', () => this.#answered());
    this.redis.on('close', () => (this.#failure ??= 'Redis is unavailable'));
  }

  /** Before each further attempt: ioredis reads its options with each. */
  #readAddress(address: RedisAddress): void {
    Object.assign(this.redis.options, { username: undefined, password: undefined }, redisOptions(address));
  }

  /** Resolves when the first connection is ready. Throws UNAVAILABLE with the reason; further attempts follow until `close`. */
  async connect(): Promise<void> {
    this.#timer = setInterval(() => void this.#roundTrip(), pingMs);
    this.#timer.unref();
    try {
      await this.redis.connect();
    } catch (error) {
      throw new FlotillaError('UNAVAILABLE', this.problem(), { cause: error });
    }
  }

  /** Why Redis cannot be used over this connection; undefined when the last round trip succeeded. */
  problem(): string | undefined {
    if (this.redis.status !== 'ready') return this.#failure ?? 'Redis is unavailable';
    if (this.#failure) return this.#failure;
    return this.#refusal && performance.now() < this.#refusal.until ? this.#refusal.reason : undefined;
  }

  async #roundTrip(): Promise<void> {
    const { redis } = this;
    if (redis.status !== 'ready') return;
    const { stream } = redis;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the round trip timed out')), answerMs);
    });
    try {
      await Promise.race([redis.ping(), late]);
      this.#answered();
    } catch (error) {
      this.#fail(error);
      // Not when it was replaced meanwhile.
      if (!this.#isClosed && redis.stream === stream && redis.status === 'ready') redis.disconnect(true);
    } finally {
      clearTimeout(timer);
    }
  }

  #answered(): void {
    if (this.#reported) this.#log.info({ connection: this.#name }, 'Redis is available again');
    this.#failure = this.#reported = undefined;
  }

  #fail(error: unknown): void {
    this.#failure = redisProblemOf(error);
    if (this.#isClosed || this.#reported === this.#failure) return;
    this.#reported = this.#failure;
    this.#log.warn({ err: error, connection: this.#name, problem: this.#failure }, 'Redis cannot be used');
  }

  #onReplyError(error: Error): boolean {
    const reason = serverRefusalOf(error);
    if (reason) this.#refusal = { reason, until: performance.now() + refusedMs };
    return wantsReconnect(error);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.redis.disconnect();
  }
}
