import { compareOffsets, type Offset, startOfStream } from '@flotilla/contracts';
import {
  type EventLog,
  keptEntries,
  type LogEntry,
  maxStreamLength,
  type OnEntries,
  type StreamPosition,
  type StreamSubscription,
} from './event-log.ts';
import { reportLag } from './stream-lag.ts';

interface Subscriber {
  offset: Offset;
  readonly onEntries: OnEntries;
  readonly onMissed: (() => void) | undefined;
}

interface Stream {
  entries: LogEntry[];
  readonly subscribers: Set<Subscriber>;
  lastOffset: Offset;
  /** Timer of the time to live that the last entry gave the stream. */
  expiry?: NodeJS.Timeout | undefined;
  /** Entries were trimmed since the stream was empty. */
  isTrimmed: boolean;
}

/** An event log within one process, without persistence. */
export class MemoryEventLog implements EventLog {
  readonly #streams = new Map<string, Stream>();
  /** Streams with undelivered entries. */
  readonly #due = new Set<Stream>();
  readonly #lag = reportLag(() => this.#largestLag());

  #stream(name: string): Stream {
    let stream = this.#streams.get(name);
    if (!stream)
      this.#streams.set(
        name,
        (stream = { entries: [], subscribers: new Set(), lastOffset: startOfStream, isTrimmed: false }),
      );
    return stream;
  }

  async append(name: string, data: string, ttlSeconds?: number): Promise<Offset> {
    return this.appendNow(name, data, ttlSeconds);
  }

  async appendNext(name: string, data: string): Promise<{ offset: Offset; previous: Offset }> {
    const previous = this.lastOffsetNow(name);
    return { previous, offset: this.appendNow(name, data) };
  }

  /** Synchronous `append`, for the in-memory store, in which a change and its event are one step as in Redis. */
  appendNow(name: string, data: string, ttlSeconds?: number): Offset {
    const stream = this.#stream(name);
    const offset = nextOffset(stream.lastOffset, Date.now());
    stream.lastOffset = offset;
    stream.entries.push({ offset, data });
    clearTimeout(stream.expiry);
    stream.expiry = undefined;
    if (ttlSeconds !== undefined) this.#expireLater(name, stream, ttlSeconds * 1000);
    // Trims in blocks, as Redis does: removing single entries would copy the array each time.
    const kept = keptEntries(maxStreamLength, Buffer.byteLength(data));
    if (stream.entries.length > kept * 1.25) {
      stream.entries = stream.entries.slice(-kept);
      stream.isTrimmed = true;
    }
    this.#pumpLater(stream);
    return offset;
  }

  async readAfter(name: string, offset: Offset, limit: number): Promise<LogEntry[] | 'trimmed'> {
    const { entries = [], isTrimmed = false } = this.#streams.get(name) ?? {};
    const first = entries[0];
    if (offset === startOfStream) return isTrimmed ? 'trimmed' : entries.slice(0, limit);
    if (!first || compareOffsets(offset, first.offset) < 0) return 'trimmed';
    const at = indexAfter(entries, offset);
    return entries[at - 1]?.offset === offset ? entries.slice(at, at + limit) : 'trimmed';
  }

  async countAfter(positions: readonly StreamPosition[]): Promise<number[]> {
    const counts: number[] = [];
    let counted = 0;
    for (const { stream, offset } of positions) {
      const { entries = [] } = this.#streams.get(stream) ?? {};
      const count = Math.min(entries.length - indexAfter(entries, offset), maxStreamLength);
      counts.push(count);
      if ((counted += count) >= maxStreamLength) break;
    }
    return counts;
  }

  async lastOffset(name: string): Promise<Offset> {
    return this.lastOffsetNow(name);
  }

  lastOffsetNow(name: string): Offset {
    return this.#streams.get(name)?.lastOffset ?? startOfStream;
  }

  subscribe(name: string, after: Offset, onEntries: OnEntries, onMissed?: () => void): StreamSubscription {
    const stream = this.#stream(name);
    const subscriber: Subscriber = { offset: after, onEntries, onMissed };
    stream.subscribers.add(subscriber);
    this.#pumpLater(stream);
    return {
      skipTo: (offset) => {
        if (compareOffsets(offset, subscriber.offset) > 0) subscriber.offset = offset;
      },
      stop: () => {
        stream.subscribers.delete(subscriber);
        const isUnused = stream.subscribers.size === 0 && stream.entries.length === 0;
        if (isUnused && this.#streams.get(name) === stream) this.#streams.delete(name);
      },
    };
  }

  /** Delivers entries in a later turn of the event loop, as over a network, so that no caller relies on synchronous delivery. */
  #pumpLater(stream: Stream): void {
    if (this.#due.size === 0) setImmediate(() => this.#pump());
    this.#due.add(stream);
  }

  #pump(): void {
    const due = [...this.#due];
    this.#due.clear();
    for (const { entries, subscribers } of due) {
      for (const subscriber of subscribers) {
        const { offset, onEntries, onMissed } = subscriber;
        const from = indexAfter(entries, offset);
        const last = entries.at(-1);
        if (!last || from === entries.length) continue;
        subscriber.offset = last.offset;
        if (offset !== startOfStream && entries[from - 1]?.offset !== offset) onMissed?.();
        onEntries(entries.slice(from));
      }
    }
  }

  #largestLag(): number {
    let largest = 0;
    for (const { entries, subscribers } of this.#due)
      for (const { offset } of subscribers) largest = Math.max(largest, entries.length - indexAfter(entries, offset));
    return largest;
  }

  /** Deletes a stream after a time to live, which is renewed while it has subscribers. */
  #expireLater(name: string, stream: Stream, ttlMs: number): void {
    stream.expiry = setTimeout(() => {
      if (stream.subscribers.size > 0) this.#expireLater(name, stream, ttlMs);
      else if (this.#streams.get(name) === stream) this.#streams.delete(name);
    }, ttlMs).unref();
  }

  problem(): string | undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#lag.stop();
    this.#streams.clear();
    this.#due.clear();
  }
}

/** The offset after `last`, as Redis generates it: Unix time in ms and a sequence number; monotonic. */
export function nextOffset(last: Offset, now: number): Offset {
  const [time = '0', count = '0'] = last.split('-');
  return now > Number(time) ? `${now}-0` : `${time}-${Number(count) + 1}`;
}

/** The index of the first entry after the offset, by bisection. */
function indexAfter(entries: readonly LogEntry[], offset: Offset): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareOffsets(entries[middle]!.offset, offset) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
