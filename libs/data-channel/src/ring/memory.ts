import { maxFrameBytes } from '../frames/limits.ts';

/** Words of the control block, each on a cache line of its own where both sides write. */
export const word = {
  /** Bytes read since the beginning, modulo 2^32. The consumer writes it. */
  head: 0,
  /** Bytes written since the beginning, modulo 2^32. The producer writes it. */
  tail: 16,
  /** 1 while the consumer waits to be woken: it waits for a change of this word. */
  sleeping: 32,
  /** 1 when the producer is done. */
  closed: 33,
  /** Longest frame, bytes. */
  maxFrame: 48,
} as const;

const controlBytes = 256;

/** Of a record before its bytes: length and tag. Records begin at multiples of this. */
export const headerBytes = 8;

/** Instead of a length: the rest up to the end of the ring is not used. */
export const skipToStart = -1;

/** What a frame takes in the ring. */
export const recordBytes = (length: number): number => (headerBytes + length + headerBytes - 1) & -headerBytes;

/**
 * Memory of a ring, to be handed to both threads.
 * @param capacity bytes for frames, a power of two
 * @param maxFrame longest frame in bytes; its record takes half the ring at most
 */
export function createRing(capacity = 1024 * 1024, maxFrame = maxFrameBytes): SharedArrayBuffer {
  const isPowerOfTwo =
    Number.isInteger(capacity) && capacity > 0 && capacity <= 2 ** 30 && (capacity & (capacity - 1)) === 0;
  if (!isPowerOfTwo) throw new RangeError(`The capacity of a ring is a power of two up to 2^30, not ${capacity}`);
  if (!(maxFrame >= 1 && recordBytes(maxFrame) <= capacity / 2))
    throw new RangeError(`A ring of ${capacity} bytes cannot take frames of ${maxFrame}: half of it must hold one`);
  const memory = new SharedArrayBuffer(controlBytes + capacity);
  new Int32Array(memory)[word.maxFrame] = maxFrame;
  return memory;
}

/** Views of a ring's memory. */
export class RingViews {
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Lengths and tags. */
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
