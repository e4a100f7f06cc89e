import type { Offset } from '@flotilla/contracts';

/** An entry of a stream: where it stands and what it says (JSON text; each stream has its own schema). */
export interface LogEntry {
  readonly offset: Offset;
  readonly data: string;
}

/**
 * Events: this happened; many listeners, each in order. Streams keep their newest entries (see `maxStreamLength`), so that a
 * listener who was away can catch up, or is told that it can't.
 * Adapters: redis-streams.ts, memory.ts.
 */
export interface EventLog {
  /**
   * Appends an entry and returns its offset. With `ttlSeconds`, the stream expires that long after the entry unless another one
   * follows; the in-memory log keeps it. Throws FlotillaError UNAVAILABLE when the log is out of reach.
   */
  append(stream: string, data: string, ttlSeconds?: number): Promise<Offset>;

  /** As `append`, and says which entry stands before it: whoever has that one, and all before, lacks nothing. */
  appendNext(stream: string, data: string): Promise<{ offset: Offset; previous: Offset }>;

  /**
   * The entries after an offset, oldest first, at most `limit`. Complete or refused: 'trimmed' when an entry after the offset
   * may have been trimmed, that is, when the entry at the offset is not there any more.
   */
  readAfter(stream: string, offset: Offset, limit: number): Promise<LogEntry[] | 'trimmed'>;

  /** The offset of the newest entry, `0-0` for a stream without entries. */
  lastOffset(stream: string): Promise<Offset>;

  /**
   * Hands over every entry after an offset as it comes, in order, in batches. `onEntries` must not throw. While the log is
   * out of reach nothing comes, and afterwards what was missed.
   */
  subscribe(stream: string, after: Offset, onEntries: (entries: readonly LogEntry[]) => void): StreamSubscription;

  /** Undefined when the log is in reach, else why not. */
  problem(): string | undefined;

  close(): Promise<void>;
}

export interface StreamSubscription {
  /** The subscriber has the entries up to this one by another way: they are not handed over. */
  skipTo(offset: Offset): void;

  /** No entry is handed over after this. */
  stop(): void;
}

/** How many entries a stream keeps at least. Redis trims in blocks and may keep some more. */
export const maxStreamLength = 4096;

/**
 * The stream of a gateway, and that between the relays of a room, expire this long after their last entry, s: longer than any
 * reader is away. Services append to them that do not know whether the gateway or the room still exists, so nobody could delete
 * them for good.
 */
export const idleStreamSeconds = 600;

/** The field of a Redis stream entry that holds its data. Lua scripts that append use it too. */
export const dataField = 'e';
