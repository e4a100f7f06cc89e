import { Buffer } from 'node:buffer';
import { headerBytes, recordBytes, RingViews, skipToStart, word } from './memory.ts';

/** The reading end of a ring. One thread at a time may hold it. */
export class RingConsumer {
  readonly #views: RingViews;
  readonly #bytes: Buffer;
  /** What was popped last. Frames are copied here as most readers of bytes, decoders among them, refuse shared memory. */
  readonly #frame: Buffer;
  /** Views of it, by length: made once each, so that a frame costs no object. */
  readonly #frames: (Uint8Array | undefined)[];
  #head: number;
  /** The producer's position when it was last looked at. */
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

  /** The tag of the frame that was popped last. */
  get tag(): number {
    return this.#tag;
  }

  /** True when the producer is done and all its frames were popped. */
  get ended(): boolean {
    // In this order: what was pushed before the end is seen.
    return Atomics.load(this.#views.control, word.closed) === 1 && !this.#hasFrame();
  }

  /** The next frame, valid until the next call; undefined when there is none. */
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
    // Not `set(subarray)`: that makes an object.
    this.#bytes.copy(this.#frame, 0, at + headerBytes, at + headerBytes + length);
    this.#head = (this.#head + recordBytes(length)) | 0;
    Atomics.store(control, word.head, this.#head);
    return (this.#frames[length] ??= new Uint8Array(this.#frame.buffer, this.#frame.byteOffset, length));
  }

  /**
   * Blocks the thread until there is a frame or the end. For threads that may block: workers.
   * @returns false when the time is over
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
   * As `wait`, without blocking the event loop. It does not keep a process or worker alive.
   * @returns false when the time is over
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
   * True when there is nothing to do. Says so, then looks once more: a producer that pushes after this look sees that it
   * has to wake. One that was about to wake the consumer from an earlier sleep may end this one: hence the loops above.
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
