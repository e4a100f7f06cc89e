import { Buffer } from 'node:buffer';
import { headerBytes, recordBytes, RingViews, skipToStart, word } from './memory.ts';

/** The reading end of a ring, for one thread. */
export class RingConsumer {
  readonly #views: RingViews;
  readonly #bytes: Buffer;
  /** Copy of the last popped frame: decoders do not accept shared memory. */
  readonly #frame: Buffer;
  /** Views of `#frame` by length, created once each to avoid an allocation per frame. */
  readonly #frames: (Uint8Array | undefined)[];
  #head: number;
  /** The producer's position as of the last read. */
  #tail: number;
  #tag = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#views = new RingViews(memory);
    const { control, words, maxFrame } = this.#views;
    this.#bytes = Buffer.from(memory, words.byteOffset);
    this.#frame = Buffer.allocUnsafeSlow(maxFrame);
    this.#frames = Array.from({ length: maxFrame + 1 });
    this.#head = Atomics.load(control, word.head);
    this.#tail = this.#head;
  }

  /** The tag of the last popped frame. */
  get tag(): number {
    return this.#tag;
  }

  /** Whether the producer is closed and all its frames have been popped. */
  get ended(): boolean {
    // The order matters: frames pushed before the close are seen.
    return Atomics.load(this.#views.control, word.closed) === 1 && !this.#hasFrame();
  }

  /** The next frame, valid until the next call; undefined when the ring is empty. */
  tryPop(): Uint8Array | undefined {
    if (!this.#hasFrame()) return undefined;
    const { capacity, control, words } = this.#views;
    let at = this.#head & (capacity - 1);
    let length = words[at >> 2]!;
    if (length === skipToStart) {
      this.#head = (this.#head + capacity - at) | 0;
      at = 0;
      length = words[0]!;
    }
    this.#tag = words[(at >> 2) + 1]!;
    // Not `set(subarray)`, which allocates.
    this.#bytes.copy(this.#frame, 0, at + headerBytes, at + headerBytes + length);
    this.#head = (this.#head + recordBytes(length)) | 0;
    Atomics.store(control, word.head, this.#head);
    return (this.#frames[length] ??= new Uint8Array(this.#frame.buffer, this.#frame.byteOffset, length));
  }

  /**
   * Blocks the thread until there is a frame or the producer is closed. For worker threads only.
   *
   * @returns false after the timeout
   */
  wait(timeoutMs: number): boolean {
    const deadline = performance.now() + timeoutMs;
    while (this.#fallAsleep()) {
      const left = Math.max(0, deadline - performance.now());
      const result = Atomics.wait(this.#views.control, word.sleeping, 1, left);
      if (this.#wakeUp()) return true;
      if (result === 'timed-out') return false;
    }
    return true;
  }

  /**
   * Waits until there is a frame or the producer is closed. It does not keep the process or worker alive.
   *
   * @returns false after the timeout
   */
  async waitAsync(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (this.#fallAsleep()) {
      const left = Math.max(0, deadline - performance.now());
      const result = await Atomics.waitAsync(this.#views.control, word.sleeping, 1, left).value;
      if (this.#wakeUp()) return true;
      if (result === 'timed-out') return false;
    }
    return true;
  }

  #hasFrame(): boolean {
    if (this.#head !== this.#tail) return true;
    this.#tail = Atomics.load(this.#views.control, word.tail);
    return this.#head !== this.#tail;
  }

  get #ready(): boolean {
    return this.#hasFrame() || Atomics.load(this.#views.control, word.closed) === 1;
  }

  /**
   * Sets the sleeping word, then checks again: a producer that pushes after the second check sees the word and wakes the consumer. A
   * producer that is about to end an earlier sleep may end this one spuriously, hence the loops above. Returns whether to sleep.
   */
  #fallAsleep(): boolean {
    if (this.#ready) return false;
    Atomics.store(this.#views.control, word.sleeping, 1);
    if (!this.#ready) return true;
    this.#wakeUp();
    return false;
  }

  #wakeUp(): boolean {
    Atomics.store(this.#views.control, word.sleeping, 0);
    return this.#ready;
  }
}
