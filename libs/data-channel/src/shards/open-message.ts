import type { RelayStamp, Shard } from '../generated/metadata_pb.ts';

/** Metadata of a message. */
export interface MessageInfo {
  readonly topic: string;
  readonly seqId: number;
  /** Size of the message in bytes. */
  readonly size: number;
  /** Microseconds since the Unix epoch; 0: unknown. */
  readonly captureTime: number;
  readonly reliable: boolean;
  readonly retain: boolean;
  /** The stamp of the first shard received; undefined at the relay itself. */
  readonly stamp: RelayStamp | undefined;
}

/** Receives the bytes of a message in order. */
export interface MessageSink {
  /** The next bytes, valid until this returns. */
  write(bytes: Uint8Array): void;
  /** The message is complete. */
  end(): void;
  /** The message will not be completed. */
  abort(): void;
}

/** Estimated memory of a message and of a buffered shard, in addition to their payload, in bytes. */
const messageCost = 512;
const shardCost = 192;

/** A message that is being reassembled. */
export class OpenMessage {
  readonly info: MessageInfo;
  readonly #total: number;
  /** Received shards that are not written to the sink yet, by index. */
  readonly #buffered = new Map<number, Uint8Array>();
  /** Time of the first shard received, in ms. */
  readonly openedAt: number;
  /** Time at which the contiguous run of shards last grew, in ms. */
  movedAt: number;
  /** Memory that it uses, in bytes. */
  bytes = messageCost;
  /** Number of contiguous shards received from the first on. */
  #run = 0;
  /** Number of shards written to the sink. */
  #written = 0;
  #sink: MessageSink | undefined;

  constructor(shard: Shard, stamp: RelayStamp | undefined, now: number) {
    this.info = infoOf(shard, stamp);
    this.#total = shard.total;
    this.openedAt = now;
    this.movedAt = now;
  }

  get complete(): boolean {
    return this.#run === this.#total;
  }

  /** Whether a shard agrees with the previous ones on the metadata of the message. */
  agrees({ total, size, captureTime }: Shard): boolean {
    return total === this.#total && size === this.info.size && captureTime === this.info.captureTime;
  }

  has({ index }: Shard): boolean {
    return index < this.#run || this.#buffered.has(index);
  }

  /** Memory to buffer a shard, in bytes: 0 when it can be written to the sink at once. */
  costOf({ index, payload }: Shard): number {
    return this.#sink && index === this.#written ? 0 : payload.length + shardCost;
  }

  /** Adds a shard that was not received yet. Returns the increase of `bytes`. */
  add(shard: Shard, now: number): number {
    const cost = this.costOf(shard);
    this.bytes += cost;
    if (this.#sink && cost === 0) {
      this.#written++;
      this.#sink.write(shard.payload);
    } else {
      // Copied: the payload is a view of a buffer that its owner may reuse.
      this.#buffered.set(shard.index, shard.payload.slice());
    }
    if (shard.index === this.#run) {
      this.#run++;
      while (this.#buffered.has(this.#run)) this.#run++;
      this.movedAt = now;
    }
    return cost;
  }

  get sink(): MessageSink | undefined {
    return this.#sink;
  }

  /** Writes the contiguous shards to the sink, which must be the same in each call. Returns the (negative) increase of `bytes`. */
  flush(sink: MessageSink): number {
    this.#sink = sink;
    const before = this.bytes;
    while (this.#written < this.#run) {
      const bytes = this.#buffered.get(this.#written)!;
      this.#buffered.delete(this.#written++);
      this.bytes -= bytes.length + shardCost;
      sink.write(bytes);
    }
    return this.bytes - before;
  }
}

/** Memory to buffer the first shard of a message, in bytes. */
export const openingCost = ({ payload }: Shard): number => messageCost + payload.length + shardCost;

export function infoOf(shard: Shard, stamp: RelayStamp | undefined): MessageInfo {
  const { topic, seqId, size, captureTime, reliable, retain } = shard;
  return { topic, seqId, size, captureTime, reliable, retain, stamp };
}

/** A sink that collects a message in one buffer. */
export class Collector implements MessageSink {
  readonly #buffer: Uint8Array;
  readonly #done: (message: Uint8Array) => void;
  #length = 0;

  constructor(size: number, done: (message: Uint8Array) => void) {
    this.#buffer = new Uint8Array(size);
    this.#done = done;
  }

  write(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  end(): void {
    this.#done(this.#buffer);
  }

  abort(): void {}
}
