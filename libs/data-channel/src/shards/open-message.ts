import type { RelayStamp, Shard } from '../generated/metadata_pb.ts';

/** What is known of a message beside its bytes. */
export interface MessageInfo {
  readonly topic: string;
  readonly seqId: number;
  /** Bytes of the whole message. */
  readonly size: number;
  /** Microseconds since 1970; 0: not said. */
  readonly captureTime: number;
  readonly reliable: boolean;
  readonly retain: boolean;
  /** Of the shard that came first; undefined at the relay itself. */
  readonly stamp: RelayStamp | undefined;
}

/** Takes a message shard by shard, in order. */
export interface MessageSink {
  /** The next bytes. They are the sink's only until this returns. */
  write(bytes: Uint8Array): void;
  /** All bytes were written. */
  end(): void;
  /** No more of this message comes. */
  abort(): void;
}

/** What a message and a shard that wait cost beside their bytes, in bytes: a generous guess at the engine's book-keeping. */
const messageCost = 512;
const shardCost = 192;

/** A message of which shards have come. */
export class OpenMessage {
  readonly info: MessageInfo;
  readonly #total: number;
  readonly #waiting = new Map<number, Uint8Array>();
  readonly openedAt: number;
  /** When the run of shards from the first on last grew. */
  movedAt: number;
  /** Bytes this holds. */
  bytes = messageCost;
  /** Shards that came without a hole before them. */
  #run = 0;
  /** Of these, handed on. */
  #taken = 0;
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

  /** True when a shard says the same of the message as those before it. */
  agrees({ total, size, captureTime }: Shard): boolean {
    return total === this.#total && size === this.info.size && captureTime === this.info.captureTime;
  }

  has({ index }: Shard): boolean {
    return index < this.#run || this.#waiting.has(index);
  }

  /** What taking a shard costs: nothing when it can be handed on at once. */
  costOf({ index, payload }: Shard): number {
    return this.#sink && index === this.#taken ? 0 : payload.length + shardCost;
  }

  /** Takes a shard that is not there yet. Returns by how much `bytes` grew. */
  add(shard: Shard, now: number): number {
    const cost = this.costOf(shard);
    this.bytes += cost;
    if (this.#sink && cost === 0) {
      this.#taken++;
      this.#sink.write(shard.payload);
    } else {
      // Whoever decoded it may use its buffer again.
      this.#waiting.set(shard.index, shard.payload.slice());
    }
    if (shard.index === this.#run) {
      this.#run++;
      while (this.#waiting.has(this.#run)) this.#run++;
      this.movedAt = now;
    }
    return cost;
  }

  get sink(): MessageSink | undefined {
    return this.#sink;
  }

  /** Hands on what has its turn, to the same sink each time. Returns by how much `bytes` grew, which is less than nothing. */
  flush(sink: MessageSink): number {
    this.#sink = sink;
    const before = this.bytes;
    while (this.#taken < this.#run) {
      const bytes = this.#waiting.get(this.#taken)!;
      this.#waiting.delete(this.#taken++);
      this.bytes -= bytes.length + shardCost;
      sink.write(bytes);
    }
    return this.bytes - before;
  }
}

/** What the first shard of a message costs. */
export const openingCost = ({ payload }: Shard): number => messageCost + payload.length + shardCost;

export function infoOf(shard: Shard, stamp: RelayStamp | undefined): MessageInfo {
  const { topic, seqId, size, captureTime, reliable, retain } = shard;
  return { topic, seqId, size, captureTime, reliable, retain, stamp };
}

/** Collects a message into one buffer. */
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
