import { maxFrameBytes } from '../frames/limits.ts';

/** Indices of the words in the control block. Words written by different sides are in different cache lines. */
export const word = {
  /** Bytes read in total, modulo 2^32. Written by the consumer. */
  head: 0,
  /** Bytes written in total, modulo 2^32. Written by the producer. */
  tail: 16,
  /** 1 while the consumer sleeps on this word. */
  sleeping: 32,
  /** 1 after the producer was closed. */
  closed: 33,
  /** Maximum frame size in bytes. */
  maxFrame: 48,
} as const;

const controlBytes = 256;

/** Size of a record's header, length and tag. Also the alignment of records. */
export const headerBytes = 8;

/** In place of a length: the rest of the ring is unused, and the next record is at its start. */
export const skipToStart = -1;

/** Size of the record of a frame. */
export const recordBytes = (length: number): number => (headerBytes + length + headerBytes - 1) & -headerBytes;

/**
 * Creates the shared memory of a ring.
 *
 * @param capacity bytes for frames, a power of two
 * @param maxFrame maximum frame size in bytes; its record must fit into half the capacity
 */
export function createRing(capacity = 1024 * 1024, maxFrame = maxFrameBytes): SharedArrayBuffer {
  const isPowerOfTwo =
    Number.isInteger(capacity) && capacity > 0 && capacity <= 2 ** 30 && (capacity & (capacity - 1)) === 0;
  if (!isPowerOfTwo) throw new RangeError(`The capacity of a ring must be a power of two up to 2^30, not ${capacity}`);
  if (!(maxFrame >= 1 && recordBytes(maxFrame) <= capacity / 2))
    throw new RangeError(
      `A ring of ${capacity} bytes is too small for frames of ${maxFrame} bytes: a frame must fit into half of it`,
    );
  const memory = new SharedArrayBuffer(controlBytes + capacity);
  new Int32Array(memory)[word.maxFrame] = maxFrame;
  return memory;
}

/** Views of a ring's memory. */
export class RingViews {
  readonly control: Int32Array<SharedArrayBuffer>;
  /** The records' lengths and tags. */
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly capacity: number;
  readonly maxFrame: number;

  constructor(memory: SharedArrayBuffer) {
    this.control = new Int32Array(memory, 0, controlBytes / 4);
    this.words = new Int32Array(memory, controlBytes);
    this.capacity = memory.byteLength - controlBytes;
    this.maxFrame = this.control[word.maxFrame]!;
  }
}
