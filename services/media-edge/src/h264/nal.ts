/** NAL units and their RTP payloads (RFC 6184). */

export const nalTypes = { idr: 5, sps: 7, pps: 8, aggregate: 24, fragment: 28 } as const;

export const nalTypeOf = (nal: Buffer): number => nal[0]! & 31;

/**
 * Largest payload of a packet that is sent on, in bytes. With the headers of RTP, SRTP, UDP and IPv6, the extensions of the SFU and the
 * channel of a TURN server it fits into 1,500 bytes.
 */
export const maxPayloadBytes = 1360;

/** The NAL units of a STAP-A. Undefined when it is malformed. */
export function disaggregate(payload: Buffer): Buffer[] | undefined {
  const nals: Buffer[] = [];
  for (let offset = 1; offset < payload.length;) {
    if (offset + 2 > payload.length) return undefined;
    const end = offset + 2 + payload.readUInt16BE(offset);
    if (end > payload.length || end === offset + 2) return undefined;
    nals.push(payload.subarray(offset + 2, end));
    offset = end;
  }
  return nals;
}

/** A STAP-A of NAL units, which have to fit into one packet. */
export function aggregate(nals: readonly Buffer[]): Buffer {
  // The importance is that of the most important unit.
  const importance = Math.max(...nals.map((nal) => nal[0]! & 0x60));
  const parts: Buffer[] = [Buffer.from([importance | nalTypes.aggregate])];
  for (const nal of nals) {
    const size = Buffer.alloc(2);
    size.writeUInt16BE(nal.length);
    parts.push(size, nal);
  }
  return Buffer.concat(parts);
}

/** Fragments the bytes behind a NAL header into FU-A. */
function fragment(header: number, bytes: Buffer, isStart: boolean, isEnd: boolean): Buffer[] {
  const size = maxPayloadBytes - 2;
  const fragments: Buffer[] = [];
  for (let from = 0; from < bytes.length; from += size) {
    const part = bytes.subarray(from, from + size);
    const start = isStart && from === 0 ? 0x80 : 0;
    const end = isEnd && from + size >= bytes.length ? 0x40 : 0;
    fragments.push(
      Buffer.concat([Buffer.from([(header & 0xe0) | nalTypes.fragment, start | end | (header & 31)]), part]),
    );
  }
  return fragments;
}

/** The same as payloads of `maxPayloadBytes` at most. */
export function fit(payload: Buffer): Buffer[] {
  if (payload.length <= maxPayloadBytes) return [payload];
  const type = nalTypeOf(payload);
  if (type === nalTypes.aggregate) return (disaggregate(payload) ?? []).flatMap(fit);
  if (type !== nalTypes.fragment) return fragment(payload[0]!, payload.subarray(1), true, true);
  const header = (payload[0]! & 0xe0) | (payload[1]! & 31);
  return fragment(header, payload.subarray(2), (payload[1]! & 0x80) !== 0, (payload[1]! & 0x40) !== 0);
}
