import { isIPv4 } from 'node:net';

export const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);

/** Version 1 of a PROXY header. */
export const lineHeader = (source: string, destination = isIPv4(source) ? '192.0.2.9' : '2001:db8::9'): Buffer =>
  Buffer.from(`PROXY ${isIPv4(source) ? 'TCP4' : 'TCP6'} ${source} ${destination} 4711 443\r\n`);

export interface BinaryParts {
  readonly versionAndCommand?: number;
  readonly family?: number;
  readonly addresses?: Buffer;
  readonly vectors?: Buffer;
}

/** Version 2, by default of a TCP connection from 203.0.113.7. */
export function binaryHeader(parts: BinaryParts = {}): Buffer {
  const { versionAndCommand = 0x21, family = 0x11, vectors = Buffer.alloc(0) } = parts;
  const { addresses = Buffer.from([203, 0, 113, 7, 192, 0, 2, 9, 0x12, 0x67, 0x01, 0xbb]) } = parts;
  const rest = addresses.length + vectors.length;
  return Buffer.concat([
    signature,
    Buffer.from([versionAndCommand, family, rest >> 8, rest & 0xff]),
    addresses,
    vectors,
  ]);
}

/** A type-length-value entry. */
export const vector = (type: number, value: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);

/** PP2_TYPE_SSL with PP2_SUBTYPE_SSL_VERSION inside. */
export const tlsVector = (client: number): Buffer =>
  vector(0x20, Buffer.concat([Buffer.from([client, 0, 0, 0, 0]), vector(0x21, Buffer.from('TLSv1.3'))]));
