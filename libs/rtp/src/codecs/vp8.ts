import type { RtpPacket } from '../packet.ts';
import { FrameAssembler } from './frame-assembler.ts';

// Payload descriptor, RFC 7741, section 4.2.
const extended = 0x80;
const startOfPartition = 0x10;
const partitionIndex = 0x0f;
const hasPictureId = 0x80;
const hasTl0PictureIndex = 0x40;
const hasTemporalId = 0x20;
const hasKeyIndex = 0x10;

const isFrameStart = (first: number): boolean => (first & startOfPartition) !== 0 && (first & partitionIndex) === 0;

/** Length of the payload descriptor; -1 when the packet ends before it, or has nothing behind it. */
function descriptorBytes(bytes: Buffer, start: number, end: number): number {
  let at = start + 1;
  if (bytes[start]! & extended) {
    if (at >= end) return -1;
    const fields = bytes[at]!;
    at++;
    if (fields & hasPictureId) {
      if (at >= end) return -1;
      at += bytes[at]! & 0x80 ? 2 : 1;
    }
    if (fields & hasTl0PictureIndex) at++;
    if (fields & (hasTemporalId | hasKeyIndex)) at++;
  }
  return at < end ? at - start : -1;
}

/** VP8, RFC 7741. */
export class Vp8Depacketizer extends FrameAssembler {
  protected startsFrame({ bytes, payloadStart }: RtpPacket): boolean {
    return isFrameStart(bytes[payloadStart]!);
  }

  protected append(packet: RtpPacket, isFirst: boolean): boolean {
    // What follows a gap cannot be put behind what precedes it.
    if (this.isBroken) return true;
    const { bytes, payloadStart, payloadEnd } = packet;
    const descriptor = descriptorBytes(bytes, payloadStart, payloadEnd);
    if (descriptor < 0) return false;
    if (isFirst !== isFrameStart(bytes[payloadStart]!)) return false;
    const from = payloadStart + descriptor;
    // RFC 6386, section 9.1: the lowest bit of the frame tag is 0 in a key frame, whose header has 10 bytes.
    if (isFirst && (bytes[from]! & 1) === 0) {
      if (!isKeyFrameStart(bytes, from, payloadEnd)) return false;
      this.isKeyFrame = true;
    }
    return this.frame.append(bytes, from, payloadEnd);
  }

  protected onBreak(): void {
    // What is before the loss is kept, for those that take incomplete frames.
  }

  protected isWhole(): boolean {
    return this.frame.length > 0;
  }
}

/** RFC 6386, section 9.1: the start code of a key frame, and a size that is not 0. */
const isKeyFrameStart = (bytes: Buffer, from: number, end: number): boolean =>
  from + 10 <= end &&
  bytes[from + 3] === 0x9d &&
  bytes[from + 4] === 0x01 &&
  bytes[from + 5] === 0x2a &&
  sideAt(bytes, from + 6) > 0 &&
  sideAt(bytes, from + 8) > 0;

/** Width or height in pixels: the two bits above are the upscaling. */
const sideAt = (bytes: Buffer, at: number): number => bytes.readUInt16LE(at) & 0x3f_ff;

/** Width and height of a VP8 key frame in pixels; undefined when it is none, or one of them is 0. */
export function vp8Size(frame: Buffer): { width: number; height: number } | undefined {
  if (frame.length === 0 || frame[0]! & 1 || !isKeyFrameStart(frame, 0, frame.length)) return undefined;
  return { width: sideAt(frame, 6), height: sideAt(frame, 8) };
}
