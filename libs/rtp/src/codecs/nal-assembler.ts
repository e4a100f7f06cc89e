import type { DepacketizerHandlers, DepacketizerOptions } from '../frame.ts';
import { FrameAssembler } from './frame-assembler.ts';

export interface NalDepacketizerOptions extends DepacketizerOptions {
  /** Parameter sets of the SDP, in Annex B form: put in front of key frames that come without any. */
  readonly parameterSets?: Buffer | undefined;
}

/** What H.264 and H.265 share: NAL units, which arrive whole, aggregated or in fragments. */
export abstract class NalAssembler extends FrameAssembler {
  /** Length of the frame before the fragmented unit that is being received; -1 when there is none. */
  #openAt = -1;
  #hasParameterSets = false;
  readonly #parameterSets: Buffer | undefined;
  constructor(handlers: DepacketizerHandlers, { parameterSets, ...options }: NalDepacketizerOptions = {}) {
    super(handlers, options);
    this.#parameterSets = parameterSets;
  }

  /** Whether key frames need no parameter sets of their own, so that what precedes their first slice is dispensable. */
  protected get hasOwnParameterSets(): boolean {
    return this.#parameterSets !== undefined;
  }

  /** Bytes of the header of a NAL unit. */
  protected abstract readonly headerBytes: 1 | 2;
  protected abstract typeOf(first: number): number;
  /** Whether a unit of this type is a part of a picture that can be decoded without others. */
  protected abstract isRandomAccess(type: number): boolean;
  protected abstract isParameterSet(type: number): boolean;

  /** Appends a whole unit. */
  protected appendUnit(bytes: Buffer, start: number, end: number): boolean {
    if (this.#openAt >= 0 || end - start <= this.headerBytes) return false;
    const second = this.headerBytes === 2 ? bytes[start + 1]! : -1;
    if (!this.#beginUnit(bytes[start]!, second)) return false;
    return this.frame.append(bytes, start + this.headerBytes, end);
  }

  /** Appends the units of an aggregation packet, each behind its length. */
  protected appendAggregation(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    while (at + 2 <= end) {
      const unitEnd = at + 2 + bytes.readUInt16BE(at);
      if (unitEnd > end || !this.isUnit(bytes[at + 2]!)) return false;
      if (!this.appendUnit(bytes, at + 2, unitEnd)) return false;
      at = unitEnd;
    }
    return at === end && at > start;
  }

  /** Whether the first byte of a header is that of a NAL unit of the codec, not of a payload structure. */
  protected abstract isUnit(first: number): boolean;

  /**
   * Appends a fragment.
   *
   * @param first header of the fragmented unit, with `second`, which is -1 when the header has one byte.
   * @param flags header of the fragment: its highest bit marks the first fragment of the unit, the next one the last.
   */
  protected appendFragment(
    first: number,
    second: number,
    flags: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): boolean {
    const isStart = (flags & 0x80) !== 0;
    const isEnd = (flags & 0x40) !== 0;
    // RFC 6184, section 5.8: a unit is not sent as one fragment.
    if (start >= end || (isStart && isEnd)) return false;
    if (isStart) {
      if (this.#openAt >= 0) return false;
      const openAt = this.frame.length;
      if (!this.#beginUnit(first, second)) return false;
      this.#openAt = openAt;
    } else if (this.#openAt < 0) {
      // The rest of a unit whose start was lost.
      return this.isBroken;
    }
    if (!this.frame.append(bytes, start, end)) return false;
    if (isEnd) this.#openAt = -1;
    return true;
  }

  #beginUnit(first: number, second: number): boolean {
    const type = this.typeOf(first);
    if (this.frame.length === 0) this.#hasParameterSets = false;
    if (this.isParameterSet(type)) this.#hasParameterSets = true;
    if (this.isRandomAccess(type)) {
      this.isKeyFrame = true;
      const sets = this.#parameterSets;
      if (sets && !this.#hasParameterSets) {
        if (!this.frame.append(sets, 0, sets.length)) return false;
        this.#hasParameterSets = true;
      }
    }
    return this.frame.appendNalStart(first, second);
  }

  protected onBreak(): void {
    if (this.#openAt >= 0) this.frame.truncate(this.#openAt);
    this.#openAt = -1;
  }

  protected isWhole(): boolean {
    return this.#openAt < 0 && this.frame.length > 0;
  }
}
