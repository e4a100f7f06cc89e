import { sequenceOf } from './rtp.ts';

/** A power of two: about two seconds of a stream. */
const size = 128;

/** The last packets of a stream, for those who lost one. */
export class History {
  readonly #packets: (Buffer | undefined)[] = Array.from({ length: size });

  add(packet: Buffer): void {
    this.#packets[sequenceOf(packet) % size] = packet;
  }

  /** Undefined when it is too long ago. */
  find(sequence: number): Buffer | undefined {
    const packet = this.#packets[sequence % size];
    return packet && sequenceOf(packet) === sequence ? packet : undefined;
  }
}
