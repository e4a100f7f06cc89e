import { Redis } from 'ioredis';

const everyMs = 1000;

/** Samples the memory that Redis uses once a second. */
export class RedisMemory {
  #latest = 0;
  #peak = 0;
  readonly #timer: NodeJS.Timeout;

  private constructor(private readonly redis: Redis) {
    this.#timer = setInterval(() => void this.#sample().catch(() => undefined), everyMs);
  }

  static async connect(url: string): Promise<RedisMemory> {
    const redis = new Redis(url);
    redis.on('error', () => undefined);
    const memory = new RedisMemory(redis);
    await memory.#sample();
    return memory;
  }

  /** Takes a sample, from which on peaks count. Returns it in bytes. */
  async begin(): Promise<number> {
    await this.#sample();
    return (this.#peak = this.#latest);
  }

  /** The highest sample since `begin`, in bytes. */
  async peak(): Promise<number> {
    await this.#sample();
    return this.#peak;
  }

  async #sample(): Promise<void> {
    const info = await this.redis.info('memory');
    this.#latest = Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
    this.#peak = Math.max(this.#peak, this.#latest);
  }

  close(): void {
    clearInterval(this.#timer);
    this.redis.disconnect();
  }
}
