import type { RtpPacket } from '../packet.ts';
import { NalAssembler } from './nal-assembler.ts';

/** NAL unit types, H.264, table 7-1; and payload structures, RFC 6184, table 1. */
export const h264Types = { slice: 1, idr: 5, sps: 7, pps: 8, delimiter: 9, stapA: 24, fuA: 28 } as const;

export const h264TypeOf = (first: number): number => first & 31;

/** H.264, RFC 6184, packetization mode 1 (and so 0): single NAL units, STAP-A, FU-A. */
export class H264Depacketizer extends NalAssembler {
  protected readonly headerBytes = 1;

  protected typeOf(first: number): number {
    return h264TypeOf(first);
  }

  protected isRandomAccess(type: number): boolean {
    return type === h264Types.idr;
  }

  protected isParameterSet(type: number): boolean {
    return type === h264Types.sps;
  }

  protected isUnit(first: number): boolean {
    const type = h264TypeOf(first);
    return first >> 7 === 0 && type >= 1 && type < h264Types.stapA;
  }

  protected startsFrame({ bytes, payloadStart: start, payloadEnd: end }: RtpPacket): boolean {
    const type = h264TypeOf(bytes[start]!);
    if (type === h264Types.stapA) return start + 3 < end && this.#isStart(h264TypeOf(bytes[start + 3]!), 0);
    if (type === h264Types.fuA)
      return (
        start + 2 < end && bytes[start + 1]! >> 7 === 1 && this.#isStart(bytes[start + 1]! & 31, bytes[start + 2]!)
      );
    return this.#isStart(type, bytes[start + 1] ?? 0);
  }

  /** @param slice the first byte of the slice header: its highest bit is set when `first_mb_in_slice` is 0. */
  #isStart(type: number, slice: number): boolean {
    if (type === h264Types.sps || type === h264Types.delimiter) return true;
    if (slice >> 7 === 0) return false;
    // The parameter sets of a key frame may be what was lost.
    return type === h264Types.slice || (type === h264Types.idr && this.hasOwnParameterSets);
  }

  protected append({ bytes, payloadStart: start, payloadEnd: end }: RtpPacket): boolean {
    const first = bytes[start]!;
    if (first >> 7 === 1) return false;
    const type = h264TypeOf(first);
    if (type === h264Types.stapA) return this.appendAggregation(bytes, start + 1, end);
    if (type !== h264Types.fuA) return this.isUnit(first) && this.appendUnit(bytes, start, end);
    if (start + 2 >= end) return false;
    const header = bytes[start + 1]!;
    const unit = (first & 0xe0) | (header & 31);
    if (!this.isUnit(unit)) return false;
    return this.appendFragment(unit, -1, header, bytes, start + 2, end);
  }
}
