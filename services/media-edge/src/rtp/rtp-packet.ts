import { headerBytes } from '@flotilla/edge-peer';

/** An RTP packet of a source (RFC 3550, section 5.1). */
export interface RtpPacket {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly marker: boolean;
  /** Without header extensions and padding. */
  readonly payload: Buffer;
}

/** Parses a packet. Undefined when it is malformed. The payload is a view of `packet`. */
export function parseRtp(packet: Buffer): RtpPacket | undefined {
  if (packet.length < headerBytes || packet[0]! >> 6 !== 2) return undefined;
  const [hasPadding, hasExtension, sources] = [packet[0]! & 0x20, packet[0]! & 0x10, packet[0]! & 15];
  let start = headerBytes + 4 * sources;
  if (hasExtension) {
    if (start + 4 > packet.length) return undefined;
    start += 4 + 4 * packet.readUInt16BE(start + 2);
  }
  const padding = hasPadding ? packet.at(-1)! : 0;
  const end = packet.length - padding;
  if (start > end || (hasPadding && padding === 0)) return undefined;
  return {
    ssrc: packet.readUInt32BE(8),
    payloadType: packet[1]! & 127,
    sequence: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    marker: packet[1]! > 127,
    payload: packet.subarray(start, end),
  };
}
