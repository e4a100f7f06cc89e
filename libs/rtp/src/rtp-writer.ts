import { type RtpExtension, writeHeader } from './packet.ts';
import type { PacketPool, PooledPacket } from './pool.ts';
import { nextSequence } from './sequence.ts';

export interface RtpWriterOptions {
  readonly ssrc: number;
  readonly payloadType: number;
  /** Of the first packet. */
  readonly sequenceNumber: number;
  readonly pool: PacketPool;
  /** Maximum bytes of payload in a packet. Default 1,200: below the usual limits of paths with SRTP and tunnels. */
  readonly maxPayloadBytes?: number;
}

/** Writes the packets of one stream into buffers of a pool: `begin`, parts of the payload, `end`. */
export class RtpWriter {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly maxPayloadBytes: number;
  /** Of the next packet. */
  sequenceNumber: number;
  /** For sender reports: packets and bytes of payload written so far. */
  packets = 0;
  octets = 0;
  /** Header extensions of the next packets. */
  extensions: readonly RtpExtension[] = [];
  readonly #pool: PacketPool;
  readonly #header = { marker: false, payloadType: 0, sequenceNumber: 0, timestamp: 0, ssrc: 0 };
  #packet: PooledPacket | undefined;
  #payloadStart = 0;

  /** @param send takes a packet, which is released when it returns: it retains the packet to keep it. */
  constructor(
    { ssrc, payloadType, sequenceNumber, pool, maxPayloadBytes = 1200 }: RtpWriterOptions,
    private readonly send: (packet: PooledPacket) => void,
  ) {
    this.ssrc = ssrc;
    this.payloadType = payloadType;
    this.sequenceNumber = sequenceNumber;
    this.maxPayloadBytes = maxPayloadBytes;
    this.#pool = pool;
    Object.assign(this.#header, { ssrc, payloadType });
  }

  begin(timestamp: number, marker: boolean): void {
    const header = this.#header;
    header.marker = marker;
    header.sequenceNumber = this.sequenceNumber;
    header.timestamp = timestamp;
    this.#packet = this.#pool.acquire();
    this.#payloadStart = writeHeader(this.#packet.bytes, header, this.extensions);
    this.#packet.length = this.#payloadStart;
  }

  byte(value: number): void {
    const packet = this.#packet!;
    packet.bytes[packet.length++] = value;
  }

  bytes(source: Buffer, start: number, end: number): void {
    const packet = this.#packet!;
    if (packet.length + end - start > packet.bytes.length)
      throw new RangeError(`a payload part of ${end - start} bytes does not fit into a packet of the pool`);
    packet.length += source.copy(packet.bytes, packet.length, start, end);
  }

  /** Sends the packet. */
  end(): void {
    const packet = this.#packet!;
    this.#packet = undefined;
    this.sequenceNumber = nextSequence(this.sequenceNumber);
    this.packets++;
    this.octets += packet.length - this.#payloadStart;
    try {
      this.send(packet);
    } finally {
      packet.release();
    }
  }
}
