import { sequenceOf } from './rtp.ts';

/** Number of packets: about two seconds of a video of 2.5 Mbit/s. A power of two, so that it divides the range of sequence numbers. */
const size = 512;

/** The last packets of a sent stream, for retransmission. */
export class History {
  readonly #packets: (Buffer | undefined)[] = Array.from({ length: size });

  add(packet: Buffer): void {
    this.#packets[sequenceOf(packet) % size] = packet;
  }

  /** The packet with a sequence number; undefined when it is no longer kept. */
  find(sequence: number): Buffer | undefined {
    const packet = this.#packets[sequence % size];
    return packet && sequenceOf(packet) === sequence ? packet : undefined;
  }
}
