/** NTP packet header (RFC 5905, section 7.3), without extension fields and authentication. */
export interface NtpPacket {
  /** Leap indicator; 3: the server's clock is not synchronised. */
  readonly leap: number;
  readonly version: number;
  readonly mode: number;
  /** 0: kiss-o'-death; 1 to 15: hops from a reference clock; 16 and more: not synchronised. */
  readonly stratum: number;
  /** log2 of seconds. */
  readonly poll: number;
  /** log2 of seconds. */
  readonly precision: number;
  readonly rootDelayMs: number;
  readonly rootDispersionMs: number;
  /** Four bytes; a kiss code in ASCII where the stratum is 0. */
  readonly referenceId: number;
  /** NTP timestamps: 32 bits of seconds since 1900 (of an era of 2^32 s) and 32 bits of fraction. */
  readonly reference: bigint;
  readonly origin: bigint;
  readonly receive: bigint;
  readonly transmit: bigint;
}

const headerBytes = 48;

export const mode = { client: 3, server: 4 } as const;

/** Milliseconds in NTP short format: 16 bits of seconds, 16 of fraction (section 6). */
const shortUnitsPerMs = 65_536 / 1000;

/** The 48 bytes of a packet's header. */
export function encodePacket(packet: NtpPacket): Uint8Array {
  const view = new DataView(new ArrayBuffer(headerBytes));
  view.setUint8(0, (packet.leap << 6) | (packet.version << 3) | packet.mode);
  view.setUint8(1, packet.stratum);
  view.setInt8(2, packet.poll);
  view.setInt8(3, packet.precision);
  view.setUint32(4, Math.round(packet.rootDelayMs * shortUnitsPerMs));
  view.setUint32(8, Math.round(packet.rootDispersionMs * shortUnitsPerMs));
  view.setUint32(12, packet.referenceId);
  view.setBigUint64(16, packet.reference);
  view.setBigUint64(24, packet.origin);
  view.setBigUint64(32, packet.receive);
  view.setBigUint64(40, packet.transmit);
  return new Uint8Array(view.buffer);
}

/** The header of a packet; undefined for fewer than 48 bytes. Bytes after the header are ignored. */
export function decodePacket(bytes: Uint8Array): NtpPacket | undefined {
  if (bytes.length < headerBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const first = view.getUint8(0);
  return {
    leap: first >> 6,
    version: (first >> 3) & 7,
    mode: first & 7,
    stratum: view.getUint8(1),
    poll: view.getInt8(2),
    precision: view.getInt8(3),
    rootDelayMs: view.getUint32(4) / shortUnitsPerMs,
    rootDispersionMs: view.getUint32(8) / shortUnitsPerMs,
    referenceId: view.getUint32(12),
    reference: view.getBigUint64(16),
    origin: view.getBigUint64(24),
    receive: view.getBigUint64(32),
    transmit: view.getBigUint64(40),
  };
}

/** Seconds from the NTP epoch (1900) to the Unix epoch (1970). */
const unixEpochSeconds = 2_208_988_800;
const eraSeconds = 2 ** 32;

/**
 * An NTP timestamp as ms since the Unix epoch. A timestamp does not carry its era of 136 years (the next begins in 2036), so the
 * era nearest to `nearMs` is assumed (RFC 5905, section 6).
 */
export function timestampToUnixMs(timestamp: bigint, nearMs: number): number {
  const seconds = Number(timestamp >> 32n) - unixEpochSeconds;
  const era = Math.round((nearMs / 1000 - seconds) / eraSeconds);
  return (seconds + era * eraSeconds) * 1000 + (Number(timestamp & 0xffff_ffffn) * 1000) / 2 ** 32;
}
