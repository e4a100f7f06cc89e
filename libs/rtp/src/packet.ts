/** RTP packets: RFC 3550, section 5.1, with one-byte header extensions, RFC 8285, section 4.2. */

export const fixedHeaderBytes = 12;
const oneByteProfile = 0xbe_de;
/** RFC 8285, section 4.2: ids 0 and 15 are reserved. */
const maxExtensionId = 14;
const maxExtensionBytes = 16;

/** Whether a packet on a multiplexed port is RTCP rather than RTP (RFC 5761, section 4). */
export const isRtcp = (bytes: Uint8Array): boolean => bytes.length >= 2 && bytes[1]! >= 192 && bytes[1]! <= 223;

/**
 * A view of a received packet. One object is used for all packets: `parse` points it to the next one and allocates nothing, so
 * its fields are valid until then.
 */
export class RtpPacket {
  bytes: Buffer = Buffer.alloc(0);
  /** Length of the packet in `bytes`, which may be larger. */
  length = 0;
  marker = false;
  payloadType = 0;
  sequenceNumber = 0;
  timestamp = 0;
  ssrc = 0;
  /** The payload is at `bytes[payloadStart]` up to, not including, `bytes[payloadEnd]`: without padding. */
  payloadStart = 0;
  payloadEnd = 0;
  #extensionStart = 0;
  #extensionEnd = 0;

  /**
   * Reads the header.
   *
   * @param length length of the packet, if `bytes` is a larger buffer.
   * @returns false when it is no RTP packet; the fields are undefined then.
   */
  parse(bytes: Buffer, length: number = bytes.length): boolean {
    if (length < fixedHeaderBytes || length > bytes.length || bytes[0]! >> 6 !== 2) return false;
    const first = bytes[0]!;
    let start = fixedHeaderBytes + (first & 15) * 4;
    this.#extensionStart = this.#extensionEnd = 0;
    if (first & 0x10) {
      if (start + 4 > length) return false;
      const words = bytes.readUInt16BE(start + 2);
      const end = start + 4 + words * 4;
      if (bytes.readUInt16BE(start) === oneByteProfile) [this.#extensionStart, this.#extensionEnd] = [start + 4, end];
      start = end;
    }
    if (start > length) return false;
    let end = length;
    if (first & 0x20) {
      const padding = bytes[length - 1]!;
      if (padding === 0 || start + padding > length) return false;
      end -= padding;
    }
    this.bytes = bytes;
    this.length = length;
    this.marker = bytes[1]! >> 7 === 1;
    this.payloadType = bytes[1]! & 0x7f;
    this.sequenceNumber = bytes.readUInt16BE(2);
    this.timestamp = bytes.readUInt32BE(4);
    this.ssrc = bytes.readUInt32BE(8);
    this.payloadStart = start;
    this.payloadEnd = end;
    return true;
  }

  get payloadBytes(): number {
    return this.payloadEnd - this.payloadStart;
  }

  /** A new view of the payload. */
  payload(): Buffer {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  /** A new view of the data of a one-byte header extension; undefined when the packet has none with this id, from 1 to 14. */
  extension(id: number): Buffer | undefined {
    for (let at = this.#extensionStart; at < this.#extensionEnd;) {
      const head = this.bytes[at]!;
      at++;
      // A byte of padding.
      if (head === 0) continue;
      const found = head >> 4;
      if (found > maxExtensionId) return undefined;
      const end = at + (head & 15) + 1;
      if (end > this.#extensionEnd) return undefined;
      if (found === id) return this.bytes.subarray(at, end);
      at = end;
    }
    return undefined;
  }
}

/** What a header consists of, without contributing sources. */
export interface RtpHeader {
  readonly marker: boolean;
  readonly payloadType: number;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly ssrc: number;
}

/** A header extension of 1 to 16 bytes. */
export interface RtpExtension {
  /** From 1 to 14. */
  readonly id: number;
  readonly data: Uint8Array;
}

/** Bytes of a header with these extensions. */
export function headerBytes(extensions: readonly RtpExtension[] = []): number {
  if (extensions.length === 0) return fixedHeaderBytes;
  let bytes = 0;
  for (const { data } of extensions) bytes += 1 + data.length;
  return fixedHeaderBytes + 4 + Math.ceil(bytes / 4) * 4;
}

/**
 * Writes a header to the start of `target`. Returns its length: where the payload begins.
 *
 * @throws RangeError when an extension has an id or a length that the one-byte form does not have, or the header does not fit.
 */
export function writeHeader(target: Buffer, header: RtpHeader, extensions: readonly RtpExtension[] = []): number {
  target[0] = extensions.length > 0 ? 0x90 : 0x80;
  target[1] = (header.marker ? 0x80 : 0) | (header.payloadType & 0x7f);
  target.writeUInt16BE(header.sequenceNumber & 0xff_ff, 2);
  target.writeUInt32BE(header.timestamp >>> 0, 4);
  target.writeUInt32BE(header.ssrc >>> 0, 8);
  if (extensions.length === 0) return fixedHeaderBytes;
  const end = headerBytes(extensions);
  if (end > target.length) throw new RangeError(`a header of ${end} bytes does not fit into ${target.length}`);
  target.writeUInt16BE(oneByteProfile, 12);
  target.writeUInt16BE((end - fixedHeaderBytes - 4) / 4, 14);
  let at = fixedHeaderBytes + 4;
  for (const { id, data } of extensions) {
    if (!(id >= 1 && id <= maxExtensionId)) throw new RangeError(`extension id ${id} is not from 1 to 14`);
    if (!(data.length >= 1 && data.length <= maxExtensionBytes))
      throw new RangeError(`extension ${id} has ${data.length} bytes; one-byte headers take 1 to 16`);
    target[at] = (id << 4) | (data.length - 1);
    target.set(data, at + 1);
    at += 1 + data.length;
  }
  target.fill(0, at, end);
  return end;
}
