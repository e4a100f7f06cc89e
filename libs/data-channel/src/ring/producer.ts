import { headerBytes, recordBytes, RingViews, skipToStart, word } from './memory.ts';

/**
 * The writing end of a ring, for one thread.
 *
 * A single-producer single-consumer queue (Lamport, "Proving the correctness of multiprocess programs", 1977): each side writes only
 * its own position and caches the other's, which reduces access to shared memory.
 */
export class RingProducer {
  readonly #views: RingViews;
  readonly #bytes: Uint8Array;
  #tail: number;
  /** The consumer's position as of the last read. */
  #head: number;

  constructor(memory: SharedArrayBuffer) {
    this.#views = new RingViews(memory);
    this.#bytes = new Uint8Array(memory, this.#views.words.byteOffset);
    this.#tail = Atomics.load(this.#views.control, word.tail);
    this.#head = Atomics.load(this.#views.control, word.head);
  }

  /**
   * Copies a frame into the ring and wakes the consumer if it sleeps. Returns false, without sending, when the ring is full.
   *
   * @param tag 32 bits that are passed along, such as a receiver id
   * @throws RangeError when the frame is longer than the ring's maximum
   */
  tryPush(frame: Uint8Array, tag = 0): boolean {
    const { capacity, maxFrame, control, words } = this.#views;
    const { length } = frame;
    if (length > maxFrame) throw new RangeError(`The frame has ${length} bytes, but the ring's maximum is ${maxFrame}`);
    const record = recordBytes(length);
    const offset = this.#tail & (capacity - 1);
    const toEnd = capacity - offset;
    // Records are contiguous: one that does not fit before the end is written at the start.
    const wraps = record > toEnd;
    const taken = wraps ? toEnd + record : record;
    if (!this.#hasRoom(taken)) return false;
    if (wraps) words[offset >> 2] = skipToStart;
    const at = wraps ? 0 : offset;
    words[at >> 2] = length;
    words[(at >> 2) + 1] = tag;
    this.#bytes.set(frame, at + headerBytes);
    this.#tail = (this.#tail + taken) | 0;
    Atomics.store(control, word.tail, this.#tail);
    this.#wake();
    return true;
  }

  /** Marks the end of the frames. */
  close(): void {
    Atomics.store(this.#views.control, word.closed, 1);
    this.#wake();
  }

  #hasRoom(bytes: number): boolean {
    const { capacity, control } = this.#views;
    if (capacity - ((this.#tail - this.#head) >>> 0) >= bytes) return true;
    this.#head = Atomics.load(control, word.head);
    return capacity - ((this.#tail - this.#head) >>> 0) >= bytes;
  }

  #wake(): void {
    const { control } = this.#views;
    // The consumer is rarely asleep. A load is cheaper than an exchange, and a notification much more expensive than both.
    if (Atomics.load(control, word.sleeping) === 0) return;
    if (Atomics.exchange(control, word.sleeping, 0) === 1) Atomics.notify(control, word.sleeping);
  }
}
