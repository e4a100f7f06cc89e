/** A growing buffer for one frame, used again for the next. */
export class FrameBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(16 * 1024);
  #length = 0;

  /** @param maxBytes limit of its growth. */
  constructor(private readonly maxBytes: number) {}

  get length(): number {
    return this.#length;
  }

  /** Shortens the content. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Appends a part of `source`. Returns false, without appending it, when the frame would exceed its limit. */
  append(source: Buffer, start: number, end: number): boolean {
    if (!this.#reserve(end - start)) return false;
    source.copy(this.#bytes, this.#length, start, end);
    this.#length += end - start;
    return true;
  }

  /** Appends the start code of a NAL unit (H.264, annex B) and up to two bytes of its header; `second` below 0 is left out. */
  appendNalStart(first: number, second: number): boolean {
    if (!this.#reserve(6)) return false;
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = 0;
    bytes[at++] = 0;
    bytes[at++] = 0;
    bytes[at++] = 1;
    bytes[at++] = first;
    if (second >= 0) bytes[at++] = second;
    this.#length = at;
    return true;
  }

  /** A view of the content, valid until the next change. */
  content(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(bytes: number): boolean {
    const needed = this.#length + bytes;
    if (needed > this.maxBytes) return false;
    if (needed <= this.#bytes.length) return true;
    const grown = Buffer.allocUnsafeSlow(Math.min(this.maxBytes, Math.max(needed, this.#bytes.length * 2)));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
    return true;
  }
}
