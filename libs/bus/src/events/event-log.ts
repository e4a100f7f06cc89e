import type { Offset } from '@flotilla/contracts';

/** An entry of a stream. */
export interface LogEntry {
  readonly offset: Offset;
  /** JSON; each stream has its own schema. */
  readonly data: string;
}

export interface StreamPosition {
  readonly stream: string;
  readonly offset: Offset;
}

/**
 * Ordered event streams with any number of subscribers. A stream keeps its newest entries (see `maxStreamLength`), so that a
 * subscriber can resume after a disconnection, or detect that entries were trimmed. Adapters: redis-streams.ts, memory.ts.
 */
export interface EventLog {
  /**
   * Appends an entry and returns its offset. With `ttlSeconds`, the stream expires that long after the entry unless another one
   * follows; a stream with subscribers does not expire, so that they miss no entry. Throws FlotillaError UNAVAILABLE when the log is
   * unavailable.
   */
  append(stream: string, data: string, ttlSeconds?: number): Promise<Offset>;

  /** Appends an entry and returns its offset and that of the entry before it, with which a reader detects gaps. */
  appendNext(stream: string, data: string): Promise<{ offset: Offset; previous: Offset }>;

  /**
   * The entries after an offset, oldest first, at most `limit`. 'trimmed' when an entry after the offset may have been trimmed,
   * that is, when the entry at the offset is no longer kept.
   */
  readAfter(stream: string, offset: Offset, limit: number): Promise<LogEntry[] | 'trimmed'>;

  /** Number of entries after the offset of each of the first positions, up to the one with which `maxStreamLength` are counted. */
  countAfter(positions: readonly StreamPosition[]): Promise<number[]>;

  /** The offset of the newest entry, `0-0` for a stream without entries. */
  lastOffset(stream: string): Promise<Offset>;

  /**
   * Delivers every entry after an offset, in order and in batches, existing ones first. After the log was unavailable, delivery
   * continues without a gap, unless entries may have been trimmed unread: `onMissed` is called then, before those that follow. Neither
   * callback may throw.
   */
  subscribe(stream: string, after: Offset, onEntries: OnEntries, onMissed?: () => void): StreamSubscription;

  /** Why the log is unavailable; undefined when it is available. */
  problem(): string | undefined;

  /** Ends all subscriptions and closes the connections. */
  close(): Promise<void>;
}

export type OnEntries = (entries: readonly LogEntry[]) => void;

export interface StreamSubscription {
  /** Skips the entries up to and including an offset, which the subscriber already has. */
  skipTo(offset: Offset): void;

  /** Ends the subscription; no entry is delivered afterwards. */
  stop(): void;
}

/** The JSON value of an entry; undefined when it is damaged. Never throws, so that `OnEntries` callbacks can use it. */
export function entryValue(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

/** Number of entries that a stream keeps, unless they are large, see `maxStreamBytes`. Redis trims in blocks and may keep more. */
export const maxStreamLength = 4096;

/**
 * Bytes that a stream may keep of entries of one size: an entry trims the stream to as many entries of its size as fit. Entries of mixed
 * sizes up to 64 KiB come to about five times as much at most, since each size has at most that share.
 */
export const maxStreamBytes = 8 * 1024 * 1024;

/** Number of entries that are kept when an entry of so many bytes is appended to a stream that keeps `kept`. */
export const keptEntries = (kept: number, bytes: number): number => Math.min(kept, Math.ceil(maxStreamBytes / bytes));

/**
 * Time in seconds after which the stream of a gateway, or between the relays of a room, expires after its last entry and its last
 * subscriber. Longer than a reader may be disconnected. Writers do not know whether the gateway or room still exists, so the streams
 * cannot be deleted.
 */
export const idleStreamSeconds = 600;

/** The field of a Redis stream entry that holds its data; also used by the Lua scripts that append. */
export const dataField = 'e';
