/** The subset of RTCP (RFC 3550, section 6; RFC 4585, section 6) that a peer uses. */

const senderReport = 200;
const receiverReport = 201;
const transportFeedback = 205;
const payloadFeedback = 206;
const lostPackets = 1;
const pictureLoss = 1;
const fullIntraRequest = 4;
/** The Unix epoch in seconds of NTP, whose epoch is 1900-01-01. */
const ntpOfUnixEpoch = 2_208_988_800;
/** Maximum number of blocks in a receiver report, RFC 3550, section 6.4.2. */
export const maxReportBlocks = 31;

/** When a stream's RTP timestamp was sampled, by the clock of its sender. */
export interface SenderReport {
  readonly type: 'sender report';
  readonly ssrc: number;
  /** The middle 32 of the 64 bits of the NTP timestamp. */
  readonly middleOfNtp: number;
  /** The NTP timestamp, in milliseconds since the Unix epoch. */
  readonly unixMs: number;
  readonly rtpTime: number;
}

/** A message of a compound packet. */
export type RtcpMessage =
  | SenderReport
  | { readonly type: 'key frame request'; readonly ssrc: number }
  | { readonly type: 'nack'; readonly ssrc: number; readonly sequences: readonly number[] };

/** Parses a compound packet. Other message types and truncated messages are skipped. */
export function* readRtcp(compound: Buffer): Generator<RtcpMessage> {
  for (let offset = 0; offset + 8 <= compound.length;) {
    const bytes = (compound.readUInt16BE(offset + 2) + 1) * 4;
    const part = compound.subarray(offset, offset + bytes);
    if (part.length < bytes) return;
    offset += bytes;
    const format = part[0]! & 31;
    if (part[1] === senderReport && bytes >= 28)
      yield {
        type: 'sender report',
        ssrc: part.readUInt32BE(4),
        middleOfNtp: part.readUInt32BE(10),
        unixMs: (part.readUInt32BE(8) - ntpOfUnixEpoch) * 1000 + (part.readUInt32BE(12) / 0x1_00_00_00_00) * 1000,
        rtpTime: part.readUInt32BE(16),
      };
    if (part[1] === transportFeedback && format === lostPackets && bytes >= 16)
      yield { type: 'nack', ssrc: part.readUInt32BE(8), sequences: readNack(part) };
    if (part[1] !== payloadFeedback || bytes < 12) continue;
    if (format === pictureLoss) yield { type: 'key frame request', ssrc: part.readUInt32BE(8) };
    // RFC 5104, section 4.3.1: each entry names a stream.
    if (format === fullIntraRequest)
      for (let entry = 12; entry + 8 <= bytes; entry += 8)
        yield { type: 'key frame request', ssrc: part.readUInt32BE(entry) };
  }
}

/** Generic NACK: each entry is a sequence number and a bit mask of the following 16, RFC 4585, section 6.2.1. */
function readNack(part: Buffer): number[] {
  const sequences: number[] = [];
  for (let entry = 12; entry + 4 <= part.length; entry += 4) {
    const sequence = part.readUInt16BE(entry);
    const following = part.readUInt16BE(entry + 2);
    sequences.push(sequence);
    for (let bit = 0; bit < 16; bit++) if (following & (1 << bit)) sequences.push((sequence + bit + 1) & 0xff_ff);
  }
  return sequences;
}

/** A key frame request: Picture Loss Indication, RFC 4585, section 6.3.1. */
export function pictureLossOf(ownSsrc: number, ssrc: number): Buffer {
  const packet = Buffer.alloc(12);
  packet[0] = 0x80 | pictureLoss;
  packet[1] = payloadFeedback;
  packet.writeUInt16BE(2, 2);
  packet.writeUInt32BE(ownSsrc, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

/** One stream in a receiver report, RFC 3550, section 6.4.1. */
export interface ReportBlock {
  readonly ssrc: number;
  /** Share of the packets since the last report that was lost, in 1/256. */
  readonly fractionLost: number;
  /** Packets lost in total. */
  readonly lost: number;
  /** Extended: the upper 16 bits count the cycles. */
  readonly highestSequence: number;
  /** In units of the RTP clock. */
  readonly jitter: number;
  /** The middle 32 bits of the last sender report's NTP timestamp; 0 before the first. */
  readonly lastSenderReport: number;
  /** Time since the last sender report, in 1/65536 s. */
  readonly delay: number;
}

/** A receiver report with at most `maxReportBlocks` blocks. */
export function receiverReportOf(ownSsrc: number, blocks: readonly ReportBlock[]): Buffer {
  const packet = Buffer.alloc(8 + 24 * blocks.length);
  packet[0] = 0x80 | blocks.length;
  packet[1] = receiverReport;
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  packet.writeUInt32BE(ownSsrc, 4);
  for (const [index, block] of blocks.entries()) {
    const at = 8 + 24 * index;
    packet.writeUInt32BE(block.ssrc, at);
    packet[at + 4] = block.fractionLost;
    packet.writeIntBE(Math.max(-0x80_00_00, Math.min(0x7f_ff_ff, block.lost)), at + 5, 3);
    packet.writeUInt32BE(block.highestSequence >>> 0, at + 8);
    packet.writeUInt32BE(block.jitter >>> 0, at + 12);
    packet.writeUInt32BE(block.lastSenderReport, at + 16);
    packet.writeUInt32BE(block.delay >>> 0, at + 20);
  }
  return packet;
}

/** A sender report without blocks, RFC 3550, section 6.4.1. */
export function senderReportOf(report: {
  readonly ssrc: number;
  /** Now, in milliseconds since the Unix epoch. */
  readonly unixMs: number;
  /** The RTP timestamp of that time. */
  readonly rtpTime: number;
  readonly packets: number;
  readonly payloadBytes: number;
}): Buffer {
  const packet = Buffer.alloc(28);
  packet[0] = 0x80;
  packet[1] = senderReport;
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  packet.writeUInt32BE(report.ssrc, 4);
  const seconds = report.unixMs / 1000;
  packet.writeUInt32BE((Math.floor(seconds) + ntpOfUnixEpoch) >>> 0, 8);
  packet.writeUInt32BE(Math.floor((seconds % 1) * 0x1_00_00_00_00) >>> 0, 12);
  packet.writeUInt32BE(report.rtpTime >>> 0, 16);
  packet.writeUInt32BE(report.packets >>> 0, 20);
  packet.writeUInt32BE(report.payloadBytes >>> 0, 24);
  return packet;
}

/** A generic NACK of at most 17 sequence numbers each entry, RFC 4585, section 6.2.1. `sequences` in ascending order. */
export function nackOf(ownSsrc: number, ssrc: number, sequences: readonly number[]): Buffer {
  const entries: { first: number; mask: number }[] = [];
  for (const sequence of sequences) {
    const last = entries.at(-1);
    const bit = last ? ((sequence - last.first) & 0xff_ff) - 1 : -1;
    if (last && bit >= 0 && bit < 16) last.mask |= 1 << bit;
    else entries.push({ first: sequence, mask: 0 });
  }
  const packet = Buffer.alloc(12 + 4 * entries.length);
  packet[0] = 0x80 | lostPackets;
  packet[1] = transportFeedback;
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  packet.writeUInt32BE(ownSsrc, 4);
  packet.writeUInt32BE(ssrc, 8);
  for (const [index, { first, mask }] of entries.entries()) {
    packet.writeUInt16BE(first, 12 + 4 * index);
    packet.writeUInt16BE(mask, 14 + 4 * index);
  }
  return packet;
}
