import type { RtpPacket } from '../packet.ts';
import { NalAssembler } from './nal-assembler.ts';

/** NAL unit types, H.265, table 7-1; and payload structures, RFC 7798, section 4.4. */
export const h265Types = {
  firstRandomAccess: 16,
  lastRandomAccess: 21,
  lastPicture: 31,
  vps: 32,
  sps: 33,
  pps: 34,
  delimiter: 35,
  aggregation: 48,
  fragmentation: 49,
} as const;

export const h265TypeOf = (first: number): number => (first >> 1) & 63;

/** H.265, RFC 7798, without decoding order numbers (`sprop-max-don-diff` 0): single NAL units, AP, FU. */
export class H265Depacketizer extends NalAssembler {
  protected readonly headerBytes = 2;

  protected typeOf(first: number): number {
    return h265TypeOf(first);
  }

  protected isRandomAccess(type: number): boolean {
    return type >= h265Types.firstRandomAccess && type <= h265Types.lastRandomAccess;
  }

  protected isParameterSet(type: number): boolean {
    return type === h265Types.sps;
  }

  protected isUnit(first: number): boolean {
    return first >> 7 === 0 && h265TypeOf(first) < h265Types.aggregation;
  }

  protected startsFrame({ bytes, payloadStart: start, payloadEnd: end }: RtpPacket): boolean {
    const type = h265TypeOf(bytes[start]!);
    if (type === h265Types.aggregation) return start + 6 < end && this.#isStart(h265TypeOf(bytes[start + 4]!), 0);
    if (type === h265Types.fragmentation)
      return (
        start + 3 < end && bytes[start + 2]! >> 7 === 1 && this.#isStart(bytes[start + 2]! & 63, bytes[start + 3]!)
      );
    return this.#isStart(type, bytes[start + 2] ?? 0);
  }

  /** @param slice the first byte of the slice header: its highest bit is `first_slice_segment_in_pic_flag`. */
  #isStart(type: number, slice: number): boolean {
    if (type === h265Types.vps || type === h265Types.delimiter) return true;
    if (type > h265Types.lastPicture || slice >> 7 === 0) return false;
    // The parameter sets of a key frame may be what was lost.
    return !this.isRandomAccess(type) || this.hasOwnParameterSets;
  }

  protected append({ bytes, payloadStart: start, payloadEnd: end }: RtpPacket): boolean {
    const first = bytes[start]!;
    if (first >> 7 === 1 || start + 2 >= end) return false;
    const type = h265TypeOf(first);
    if (type === h265Types.aggregation) return this.appendAggregation(bytes, start + 2, end);
    if (type !== h265Types.fragmentation) return this.isUnit(first) && this.appendUnit(bytes, start, end);
    if (start + 3 >= end) return false;
    const header = bytes[start + 2]!;
    const unit = (first & 0x81) | ((header & 63) << 1);
    if (!this.isUnit(unit)) return false;
    return this.appendFragment(unit, bytes[start + 1]!, header, bytes, start + 3, end);
  }
}
