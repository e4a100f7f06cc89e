import { ntpOfUnixMs } from '../ntp.ts';
import { sequenceDistance } from '../sequence.ts';
import type { ReportBlock } from './read.ts';
import { packetTypes, payloadFormats, transportFormats } from './types.ts';

/** Maximum number of blocks in a report, RFC 3550, section 6.4.2. */
export const maxReportBlocks = 31;
const maxCnameBytes = 255;

function message(type: number, count: number, bytes: number): Buffer {
  const part = Buffer.alloc(bytes);
  part[0] = 0x80 | count;
  part[1] = type;
  part.writeUInt16BE(bytes / 4 - 1, 2);
  return part;
}

function writeBlocks(part: Buffer, start: number, blocks: readonly ReportBlock[]): void {
  for (const [index, block] of blocks.entries()) {
    const at = start + 24 * index;
    part.writeUInt32BE(block.ssrc, at);
    part[at + 4] = block.fractionLost;
    part.writeIntBE(Math.max(-0x80_00_00, Math.min(0x7f_ff_ff, block.lost)), at + 5, 3);
    part.writeUInt32BE(block.highestSequence >>> 0, at + 8);
    part.writeUInt32BE(block.jitter >>> 0, at + 12);
    part.writeUInt32BE(block.lastSenderReport >>> 0, at + 16);
    part.writeUInt32BE(block.delay >>> 0, at + 20);
  }
}

export interface SenderReportFields {
  readonly ssrc: number;
  /** Time of `rtpTimestamp`, in ms since the Unix epoch. */
  readonly unixMs: number;
  readonly rtpTimestamp: number;
  readonly packets: number;
  /** Bytes of payload. */
  readonly octets: number;
}

/** RFC 3550, section 6.4.1. At most `maxReportBlocks` blocks. */
export function senderReport(fields: SenderReportFields, blocks: readonly ReportBlock[] = []): Buffer {
  const part = message(packetTypes.senderReport, blocks.length, 28 + 24 * blocks.length);
  const { seconds, fractions } = ntpOfUnixMs(fields.unixMs);
  part.writeUInt32BE(fields.ssrc, 4);
  part.writeUInt32BE(seconds, 8);
  part.writeUInt32BE(fractions, 12);
  part.writeUInt32BE(fields.rtpTimestamp >>> 0, 16);
  part.writeUInt32BE(fields.packets >>> 0, 20);
  part.writeUInt32BE(fields.octets >>> 0, 24);
  writeBlocks(part, 28, blocks);
  return part;
}

/** RFC 3550, section 6.4.2. At most `maxReportBlocks` blocks. */
export function receiverReport(ownSsrc: number, blocks: readonly ReportBlock[]): Buffer {
  const part = message(packetTypes.receiverReport, blocks.length, 8 + 24 * blocks.length);
  part.writeUInt32BE(ownSsrc, 4);
  writeBlocks(part, 8, blocks);
  return part;
}

/** RFC 3550, section 6.5: one chunk with the CNAME, which has 255 bytes at most. */
export function sourceDescription(ssrc: number, cname: string): Buffer {
  const name = Buffer.from(cname);
  if (name.length > maxCnameBytes)
    throw new RangeError(`a CNAME of ${name.length} bytes; the maximum is ${maxCnameBytes}`);
  // One null byte at least ends the items.
  const part = message(packetTypes.sourceDescription, 1, 8 + Math.floor((2 + name.length) / 4) * 4 + 4);
  part.writeUInt32BE(ssrc, 4);
  part[8] = 1;
  part[9] = name.length;
  name.copy(part, 10);
  return part;
}

/** RFC 3550, section 6.6: at most 31 streams. */
export function bye(ssrcs: readonly number[]): Buffer {
  const part = message(packetTypes.bye, ssrcs.length, 4 + 4 * ssrcs.length);
  for (const [index, ssrc] of ssrcs.entries()) part.writeUInt32BE(ssrc, 4 + 4 * index);
  return part;
}

/** A request for a key frame: Picture Loss Indication, RFC 4585, section 6.3.1. */
export function pictureLoss(ownSsrc: number, ssrc: number): Buffer {
  const part = message(packetTypes.payloadFeedback, payloadFormats.pictureLoss, 12);
  part.writeUInt32BE(ownSsrc, 4);
  part.writeUInt32BE(ssrc, 8);
  return part;
}

/**
 * A command to send a key frame, RFC 5104, section 4.3.1.
 *
 * @param commandSequence 8 bits: increases with each new command, and not when one is repeated.
 */
export function fullIntraRequest(ownSsrc: number, ssrc: number, commandSequence: number): Buffer {
  const part = message(packetTypes.payloadFeedback, payloadFormats.fullIntraRequest, 20);
  part.writeUInt32BE(ownSsrc, 4);
  part.writeUInt32BE(ssrc, 12);
  part[16] = commandSequence & 0xff;
  return part;
}

/** A request for lost packets, RFC 4585, section 6.2.1. `sequences` is in ascending order, and not empty. */
export function nack(ownSsrc: number, ssrc: number, sequences: readonly number[]): Buffer {
  const entries: { first: number; following: number }[] = [];
  for (const sequence of sequences) {
    const last = entries.at(-1);
    const ahead = last ? sequenceDistance(last.first, sequence) : 0;
    if (last && ahead >= 1 && ahead <= 16) last.following |= 1 << (ahead - 1);
    else entries.push({ first: sequence, following: 0 });
  }
  const part = message(packetTypes.transportFeedback, transportFormats.nack, 12 + 4 * entries.length);
  part.writeUInt32BE(ownSsrc, 4);
  part.writeUInt32BE(ssrc, 8);
  for (const [index, { first, following }] of entries.entries()) {
    part.writeUInt16BE(first & 0xff_ff, 12 + 4 * index);
    part.writeUInt16BE(following, 14 + 4 * index);
  }
  return part;
}
