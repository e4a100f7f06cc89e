/** The subset of RTP (RFC 3550, section 5.1) that a peer uses. */

/** Size of the fixed header. */
export const headerBytes = 12;
/** One-byte header extensions, RFC 8285, section 4.2. */
const oneByteProfile = 0xbe_de;

/** State of a sent stream. */
export interface RtpStream {
  readonly ssrc: number;
  readonly payloadType: number;
  /** Sequence number of the next packet, 16 bits. */
  sequence: number;
  /** Timestamp of the next packet in units of the RTP clock, 32 bits. */
  timestamp: number;
}

/** A header extension of one byte of data. */
export interface OneByteExtension {
  /** From 1 to 14. */
  readonly id: number;
  readonly value: number;
}

/**
 * Creates the next packet of a stream and increments its sequence number. The payload is to be written at the returned `start`.
 *
 * @param payloadBytes size of the payload.
 */
export function rtpPacket(
  stream: RtpStream,
  { marker, payloadBytes, extension }: { marker: boolean; payloadBytes: number; extension?: OneByteExtension },
): { packet: Buffer; start: number } {
  const start = headerBytes + (extension ? 8 : 0);
  const packet = Buffer.alloc(start + payloadBytes);
  packet[0] = extension ? 0x90 : 0x80;
  packet[1] = (marker ? 0x80 : 0) | stream.payloadType;
  packet.writeUInt16BE(stream.sequence, 2);
  packet.writeUInt32BE(stream.timestamp, 4);
  packet.writeUInt32BE(stream.ssrc, 8);
  if (extension) {
    packet.writeUInt16BE(oneByteProfile, 12);
    // One 32-bit word: id and length less one, one byte of data, padding.
    packet.writeUInt16BE(1, 14);
    packet[16] = extension.id << 4;
    packet[17] = extension.value;
  }
  stream.sequence = (stream.sequence + 1) & 0xff_ff;
  return { packet, start };
}

/** Whether a packet on a multiplexed port is RTCP rather than RTP (RFC 5761, section 4). */
export const isRtcp = (packet: Buffer): boolean => packet[1]! >= 192 && packet[1]! <= 223;

export const ssrcOf = (packet: Buffer): number => packet.readUInt32BE(8);
export const sequenceOf = (packet: Buffer): number => packet.readUInt16BE(2);
export const timestampOf = (packet: Buffer): number => packet.readUInt32BE(4);
export const isRtp = (packet: Buffer): boolean => packet.length >= headerBytes && !isRtcp(packet);
