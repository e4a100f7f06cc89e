import { isIPv4, isIPv6 } from 'node:net';
import type { RelayedConnection } from '@flotilla/runtime';

// The PROXY protocol: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

/** The bytes are not a valid PROXY header. */
export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
}

export interface ProxyHeader {
  readonly relayed: RelayedConnection;
  /** Length of the header in bytes. The client's bytes follow it. */
  readonly length: number;
}

/** Section 2.1: maximum length of the line with its end. */
const maxLineBytes = 107;
/** Section 2.2 allows 64 KiB after the fixed part. This is enough for addresses, a server name and the name in a client certificate. */
const maxBinaryBytes = 2048;
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const fixedBytes = 16;

/**
 * Parses the header at the start of a connection, version 1 or 2.
 *
 * @returns undefined when more bytes are needed. @throws ProxyHeaderError.
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  const known = bytes.subarray(0, signature.length);
  if (known.equals(signature.subarray(0, known.length)))
    return known.length < signature.length ? undefined : parseBinary(bytes);
  return parseLine(bytes);
}

/** Version 1, section 2.1: `PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n`. */
function parseLine(bytes: Buffer): ProxyHeader | undefined {
  const text = bytes.toString('latin1', 0, maxLineBytes);
  const end = text.indexOf('\r\n');
  if (!'PROXY '.startsWith(text.slice(0, 6)))
    throw new ProxyHeaderError('the connection does not start with a PROXY header');
  if (end < 0 && text.length < maxLineBytes) return undefined;
  if (end < 0) throw new ProxyHeaderError(`no end of line within ${maxLineBytes} bytes`);
  const length = end + 2;
  const [, protocol, ...fields] = text.slice(0, end).split(' ');
  // Section 2.1: the receiver must ignore what follows UNKNOWN.
  if (protocol === 'UNKNOWN') return { relayed: { secure: false }, length };
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6 : undefined;
  const [source, destination, ...ports] = fields;
  if (!isAddress?.(source ?? '') || !isAddress(destination ?? '') || ports.length !== 2 || !ports.every(isPort))
    throw new ProxyHeaderError('malformed line');
  return { relayed: { address: source!, secure: false }, length };
}

const isPort = (text: string): boolean => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;

/** Length of the two addresses and ports of each address family, section 2.2. */
const addressBytes: Readonly<Record<number, number>> = {
  0x00: 0, // unspecified
  0x11: 12, // TCP over IPv4
  0x21: 36, // TCP over IPv6
  0x31: 216, // UNIX stream
};

/** Version 2, section 2.2. */
function parseBinary(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < fixedBytes) return undefined;
  const versionAndCommand = bytes[12]!;
  const family = bytes[13]!;
  const rest = bytes.readUInt16BE(14);
  // Version 2; 0 is LOCAL (the proxy's own connection), 1 is PROXY.
  if (versionAndCommand !== 0x20 && versionAndCommand !== 0x21)
    throw new ProxyHeaderError('unknown version or command');
  if (rest > maxBinaryBytes) throw new ProxyHeaderError(`${rest} bytes exceed the limit of ${maxBinaryBytes}`);
  const length = fixedBytes + rest;
  if (bytes.length < length) return undefined;
  if (versionAndCommand === 0x20) return { relayed: { secure: false }, length };
  const size = addressBytes[family];
  if (size === undefined || size > rest) throw new ProxyHeaderError('unknown address family, or addresses cut off');
  const addresses = bytes.subarray(fixedBytes, fixedBytes + size);
  const secure = connectedOverTls(bytes.subarray(fixedBytes + size, length));
  if (family === 0x11) return { relayed: { address: addresses.subarray(0, 4).join('.'), secure }, length };
  if (family === 0x21) return { relayed: { address: ipv6(addresses), secure }, length };
  return { relayed: { secure }, length };
}

const ipv6 = (bytes: Buffer): string =>
  Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(group * 2).toString(16)).join(':');

const sslType = 0x20;
const clientSslFlag = 0x01;

/** Sections 2.2.1 and 2.2.6: whether a PP2_TYPE_SSL entry says that the client connected over TLS. */
function connectedOverTls(vectors: Buffer): boolean {
  let secure = false;
  for (let at = 0; at < vectors.length;) {
    const end = at + 3 + (at + 3 <= vectors.length ? vectors.readUInt16BE(at + 1) : 0);
    if (end > vectors.length) throw new ProxyHeaderError('an additional field is cut off');
    if (vectors[at] === sslType) {
      if (end - at < 3 + 5) throw new ProxyHeaderError('a TLS field is cut off');
      secure = (vectors[at + 3]! & clientSslFlag) !== 0;
    }
    at = end;
  }
  return secure;
}
