/** Reads the bits of a NAL unit, without the bytes that prevent start codes (H.264, section 7.4.1). Past the end it reads zeros. */
export class BitReader {
  #at: number;
  #bit = 0;
  #zeros = 0;

  /** @param start byte to begin at. */
  constructor(
    private readonly bytes: Buffer,
    start: number,
  ) {
    this.#at = start;
    this.#skipPrevention();
  }

  /** Whether all that was read was there. */
  get isValid(): boolean {
    return this.#at < this.bytes.length || (this.#at === this.bytes.length && this.#bit === 0);
  }

  bit(): number {
    const value = ((this.bytes[this.#at] ?? 0) >> (7 - this.#bit)) & 1;
    if (++this.#bit === 8) {
      this.#bit = 0;
      this.#zeros = this.bytes[this.#at] === 0 ? this.#zeros + 1 : 0;
      this.#at++;
      this.#skipPrevention();
    }
    return value;
  }

  /** @param count at most 32. */
  bits(count: number): number {
    let value = 0;
    for (let at = 0; at < count; at++) value = value * 2 + this.bit();
    return value;
  }

  /** An unsigned Exp-Golomb code, section 9.1. */
  unsigned(): number {
    let zeros = 0;
    while (zeros < 32 && this.bit() === 0) zeros++;
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** A signed Exp-Golomb code, section 9.1.1. */
  signed(): number {
    const code = this.unsigned();
    return code & 1 ? (code + 1) / 2 : -code / 2;
  }

  #skipPrevention(): void {
    if (this.#zeros < 2 || this.bytes[this.#at] !== 3) return;
    this.#at++;
    this.#zeros = 0;
  }
}
