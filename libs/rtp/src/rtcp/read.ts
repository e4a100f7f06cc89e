import { unixMsOfNtp, middleOfNtp } from '../ntp.ts';
import { packetTypes, payloadFormats, transportFormats } from './types.ts';

/** One stream in a sender or receiver report, RFC 3550, section 6.4.1. */
export interface ReportBlock {
  readonly ssrc: number;
  /** Share of the packets since the last report that was lost, in 1/256. */
  readonly fractionLost: number;
  /** Packets lost in total; negative when there were duplicates. */
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

export interface SenderReport {
  readonly type: 'sender report';
  readonly ssrc: number;
  /** NTP timestamp, in ms since the Unix epoch. */
  readonly unixMs: number;
  /** The middle 32 bits of the NTP timestamp, for the report blocks of the receiver. */
  readonly middleOfNtp: number;
  readonly rtpTimestamp: number;
  readonly packets: number;
  readonly octets: number;
  readonly blocks: readonly ReportBlock[];
}

/** A message of a compound packet. `ssrc` is the stream that it is about. */
export type RtcpMessage =
  | SenderReport
  | { readonly type: 'receiver report'; readonly ssrc: number; readonly blocks: readonly ReportBlock[] }
  | { readonly type: 'source description'; readonly ssrc: number; readonly cname: string }
  | { readonly type: 'bye'; readonly ssrc: number }
  | { readonly type: 'nack'; readonly ssrc: number; readonly sequences: readonly number[] }
  | { readonly type: 'picture loss'; readonly ssrc: number }
  | { readonly type: 'full intra request'; readonly ssrc: number; readonly commandSequence: number };

/** Parses a compound packet. Other message types and truncated messages are skipped. */
export function* readRtcp(compound: Buffer): Generator<RtcpMessage> {
  for (let offset = 0; offset + 4 <= compound.length;) {
    if (compound[offset]! >> 6 !== 2) return;
    const bytes = (compound.readUInt16BE(offset + 2) + 1) * 4;
    if (offset + bytes > compound.length) return;
    yield* readMessage(compound.subarray(offset, offset + bytes));
    offset += bytes;
  }
}

function* readMessage(part: Buffer): Generator<RtcpMessage> {
  const count = part[0]! & 31;
  switch (part[1]) {
    case packetTypes.senderReport:
      if (part.length >= 28) yield readSenderReport(part, count);
      return;
    case packetTypes.receiverReport:
      if (part.length >= 8)
        yield { type: 'receiver report', ssrc: part.readUInt32BE(4), blocks: readBlocks(part, 8, count) };
      return;
    case packetTypes.sourceDescription:
      yield* readSourceDescription(part, count);
      return;
    case packetTypes.bye:
      for (let at = 4; at < 4 + 4 * count && at + 4 <= part.length; at += 4)
        yield { type: 'bye', ssrc: part.readUInt32BE(at) };
      return;
    case packetTypes.transportFeedback:
      if (count === transportFormats.nack && part.length >= 16)
        yield { type: 'nack', ssrc: part.readUInt32BE(8), sequences: readNack(part) };
      return;
    case packetTypes.payloadFeedback:
      if (count === payloadFormats.pictureLoss && part.length >= 12)
        yield { type: 'picture loss', ssrc: part.readUInt32BE(8) };
      // RFC 5104, section 4.3.1: each entry names a stream.
      if (count === payloadFormats.fullIntraRequest)
        for (let at = 12; at + 8 <= part.length; at += 8)
          yield { type: 'full intra request', ssrc: part.readUInt32BE(at), commandSequence: part[at + 4]! };
      return;
    default:
  }
}

function readSenderReport(part: Buffer, count: number): SenderReport {
  const [seconds, fractions] = [part.readUInt32BE(8), part.readUInt32BE(12)];
  return {
    type: 'sender report',
    ssrc: part.readUInt32BE(4),
    unixMs: unixMsOfNtp(seconds, fractions),
    middleOfNtp: middleOfNtp(seconds, fractions),
    rtpTimestamp: part.readUInt32BE(16),
    packets: part.readUInt32BE(20),
    octets: part.readUInt32BE(24),
    blocks: readBlocks(part, 28, count),
  };
}

function readBlocks(part: Buffer, start: number, count: number): ReportBlock[] {
  const blocks: ReportBlock[] = [];
  for (let at = start; blocks.length < count && at + 24 <= part.length; at += 24)
    blocks.push({
      ssrc: part.readUInt32BE(at),
      fractionLost: part[at + 4]!,
      lost: part.readIntBE(at + 5, 3),
      highestSequence: part.readUInt32BE(at + 8),
      jitter: part.readUInt32BE(at + 12),
      lastSenderReport: part.readUInt32BE(at + 16),
      delay: part.readUInt32BE(at + 20),
    });
  return blocks;
}

/** RFC 3550, section 6.5: chunks of items. Only the CNAME is passed on. */
function* readSourceDescription(part: Buffer, chunks: number): Generator<RtcpMessage> {
  let at = 4;
  for (let chunk = 0; chunk < chunks && at + 4 <= part.length; chunk++) {
    const ssrc = part.readUInt32BE(at);
    at += 4;
    while (at < part.length && part[at] !== 0) {
      const [item, bytes] = [part[at]!, part[at + 1] ?? 0];
      if (at + 2 + bytes > part.length) return;
      if (item === 1) yield { type: 'source description', ssrc, cname: part.toString('utf8', at + 2, at + 2 + bytes) };
      at += 2 + bytes;
    }
    // At least one null byte, up to the next 32-bit boundary.
    at += 4 - (at % 4);
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
