import type { PooledPacket } from './pool.ts';
import { nextSequence, sequenceDistance } from './sequence.ts';

export interface HistoryOptions {
  /** A power of two. Default 1,024. */
  readonly maxPackets?: number;
  /** Default 1.5 MB: two seconds at 6 Mbit/s. */
  readonly maxBytes?: number;
}

/** The last packets of a sent stream, for retransmission. It retains them until they are pushed out. */
export class RetransmissionHistory {
  readonly #slots: (PooledPacket | undefined)[];
  readonly #mask: number;
  readonly #maxBytes: number;
  #oldest = 0;
  #newest: number | undefined;
  #packets = 0;
  #bytes = 0;

  constructor({ maxPackets = 1024, maxBytes = 1_500_000 }: HistoryOptions = {}) {
    if (maxPackets < 1 || maxPackets > 0x80_00 || (maxPackets & (maxPackets - 1)) !== 0)
      throw new RangeError(`maxPackets is ${maxPackets}, not a power of two up to 32,768`);
    this.#slots = Array.from({ length: maxPackets });
    this.#mask = maxPackets - 1;
    this.#maxBytes = maxBytes;
  }

  get packets(): number {
    return this.#packets;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the next packet of the stream: its sequence number is above those before, or the history starts again. */
  add(packet: PooledPacket): void {
    const sequence = packet.bytes.readUInt16BE(2);
    const ahead = this.#newest === undefined ? 0 : sequenceDistance(this.#newest, sequence);
    if (ahead <= 0 || ahead > this.#mask) {
      this.clear();
      this.#oldest = sequence;
    }
    while (sequenceDistance(this.#oldest, sequence) > this.#mask) this.#dropOldest();
    this.#newest = sequence;
    this.#slots[sequence & this.#mask] = packet.retain();
    this.#packets++;
    this.#bytes += packet.length;
    while (this.#bytes > this.#maxBytes) this.#dropOldest();
  }

  /** The packet with a sequence number, without a reference for the caller; undefined when it is not kept any more. */
  find(sequence: number): PooledPacket | undefined {
    const packet = this.#slots[sequence & this.#mask];
    return packet && packet.bytes.readUInt16BE(2) === sequence ? packet : undefined;
  }

  /** Releases all packets. */
  clear(): void {
    if (this.#newest !== undefined) while (this.#packets > 0) this.#dropOldest();
    this.#newest = undefined;
  }

  #dropOldest(): void {
    const slot = this.#oldest & this.#mask;
    const packet = this.#slots[slot];
    this.#oldest = nextSequence(this.#oldest);
    if (!packet) return;
    this.#slots[slot] = undefined;
    this.#packets--;
    this.#bytes -= packet.length;
    packet.release();
  }
}
