import { compareOffsets, type Offset } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Redis } from 'ioredis';
import type { Following, LogEntry } from './event-log.ts';
import { type RawEntry, streamKey, toEntries } from './redis-client.ts';

interface Followed {
  /** The oldest offset any follower still waits behind. */
  offset: Offset;
  readonly followers: Set<Follower>;
}

interface Follower {
  after: Offset;
  readonly onEntries: (entries: readonly LogEntry[]) => void;
}

const blockMs = 5000;
const batch = 512;

/**
 * One connection that waits, in a single XREAD, for entries of all the streams it follows. A change of that set has to
 * interrupt the wait: the reader also follows a stream of its own, its bell, and whoever changes the set rings it. (CLIENT
 * UNBLOCK would race with a reader that is between two waits.)
 */
export class StreamReader {
  readonly #redis: Redis;
  readonly #ringer: Redis;
  readonly #log: Logger;
  readonly #streams = new Map<string, Followed>();
  readonly #bell: string;
  #bellOffset: Offset = '0-0';
  #rung = false;
  #stopped = false;
  readonly #loop: Promise<void>;

  /** `ringer` rings the bell while the other connection blocks. */
  constructor(redis: Redis, ringer: Redis, namespace: string, log: Logger) {
    this.#redis = redis;
    this.#ringer = ringer;
    this.#log = log;
    this.#bell = streamKey(namespace, `bell:${crypto.randomUUID()}`);
    // XREAD waits longer than other commands may take.
    redis.options.commandTimeout = undefined as unknown as number;
    this.#loop = this.#start();
  }

  /** False while the connection is lost; one that is being made for the first time is no trouble. */
  get reachable(): boolean {
    return this.connected || ['wait', 'connecting', 'connect'].includes(this.#redis.status);
  }

  get connected(): boolean {
    return this.#redis.status === 'ready';
  }

  async #start(): Promise<void> {
    // Should Redis be away, the connection is tried again by itself.
    await this.#redis.connect().catch(() => undefined);
    await this.#read();
  }

  follow(key: string, after: Offset, onEntries: (entries: readonly LogEntry[]) => void): Following {
    const follower: Follower = { after, onEntries };
    let stream = this.#streams.get(key);
    if (!stream) this.#streams.set(key, (stream = { offset: after, followers: new Set() }));
    // Whoever begins further back makes the stream be read again from there; the others skip what they had.
    if (isBefore(after, stream.offset)) stream.offset = after;
    stream.followers.add(follower);
    this.#ring();
    return {
      skipTo: (offset) => {
        if (isBefore(follower.after, offset)) follower.after = offset;
      },
      stop: () => {
        stream.followers.delete(follower);
        if (stream.followers.size === 0 && this.#streams.get(key) === stream) this.#streams.delete(key);
      },
    };
  }

  /** Interrupts the wait. Several changes in one turn ring once. */
  #ring(): void {
    if (this.#rung) return;
    this.#rung = true;
    queueMicrotask(() => {
      this.#rung = false;
      this.#ringer
        .pipeline()
        .xadd(this.#bell, 'MAXLEN', 1, '*', 'r', '1')
        .pexpire(this.#bell, 60_000)
        .exec()
        // Redis is away: the loop begins a new wait when it is back.
        .catch(() => undefined);
    });
  }

  async #read(): Promise<void> {
    while (!this.#stopped) {
      try {
        const keys = [this.#bell, ...this.#streams.keys()];
        const offsets = [this.#bellOffset, ...[...this.#streams.values()].map(({ offset }) => offset)];
        const answer = await this.#redis.call(
          'XREAD',
          'COUNT',
          batch,
          'BLOCK',
          blockMs,
          'STREAMS',
          ...keys,
          ...offsets,
        );
        for (const [key, raw] of pairs(answer)) this.#deliver(key, raw);
      } catch (error) {
        if (this.#stopped) return;
        this.#log.debug({ err: error }, 'waiting for Redis');
        await this.#ready();
      }
    }
  }

  #deliver(key: string, raw: RawEntry[]): void {
    const last = raw.at(-1)?.[0];
    if (last === undefined) return;
    if (key === this.#bell) {
      this.#bellOffset = last;
      return;
    }
    const stream = this.#streams.get(key);
    if (!stream) return;
    stream.offset = last;
    const entries = toEntries(raw);
    for (const follower of stream.followers) {
      const fresh = isBefore(follower.after, entries[0]!.offset)
        ? entries
        : entries.filter(({ offset }) => isBefore(follower.after, offset));
      follower.after = isBefore(follower.after, last) ? last : follower.after;
      if (fresh.length > 0) follower.onEntries(fresh);
    }
  }

  /** Resolves when the connection is usable again, or after a second, to look again. */
  async #ready(): Promise<void> {
    if (this.connected) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#redis.off('ready', done);
        resolve();
      };
      const timer = setTimeout(done, 1000);
      this.#redis.once('ready', done);
    });
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#redis.disconnect();
    await this.#loop;
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
