import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseProxyHeader, ProxyHeaderError } from '../src/edge/proxy-header.ts';
import { binaryHeader, lineHeader, signature, tlsVector, vector } from './proxy-headers.ts';

const headers: readonly [string, Buffer, object][] = [
  ['v1, IPv4', lineHeader('203.0.113.7'), { address: '203.0.113.7', secure: false }],
  ['v1, IPv6', lineHeader('2001:db8::7'), { address: '2001:db8::7', secure: false }],
  ['v1, unknown', Buffer.from('PROXY UNKNOWN\r\n'), { secure: false }],
  ['v1, unknown with more', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), { secure: false }],
  ['v2, IPv4', binaryHeader(), { address: '203.0.113.7', secure: false }],
  [
    'v2, IPv6',
    binaryHeader({
      family: 0x21,
      addresses: Buffer.concat([Buffer.from('20010db8000000000000000000000007', 'hex'), Buffer.alloc(20)]),
    }),
    { address: '2001:db8:0:0:0:0:0:7', secure: false },
  ],
  ['v2, UNIX', binaryHeader({ family: 0x31, addresses: Buffer.alloc(216) }), { secure: false }],
  ['v2, unspecified', binaryHeader({ family: 0x00, addresses: Buffer.alloc(0) }), { secure: false }],
  ['v2, local', binaryHeader({ versionAndCommand: 0x20, family: 0, addresses: Buffer.alloc(7) }), { secure: false }],
  ['v2 with TLS', binaryHeader({ vectors: tlsVector(1) }), { address: '203.0.113.7', secure: true }],
  ['v2 with TLS not used', binaryHeader({ vectors: tlsVector(0) }), { address: '203.0.113.7', secure: false }],
  [
    'v2 with other fields around TLS',
    binaryHeader({
      vectors: Buffer.concat([vector(4, Buffer.alloc(3)), tlsVector(7), vector(0xea, Buffer.from('vpce-1'))]),
    }),
    { address: '203.0.113.7', secure: true },
  ],
];

describe('PROXY header', () => {
  test.each(headers)(
    '%s is parsed, at any split of the bytes and with any bytes after it',
    (_name, header, relayed) => {
      for (let length = 0; length < header.length; length++)
        expect(parseProxyHeader(header.subarray(0, length))).toBeUndefined();
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (rest) => {
          expect(parseProxyHeader(Buffer.concat([header, rest]))).toEqual({ relayed, length: header.length });
        }),
      );
    },
  );

  test.each([
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an unknown family', Buffer.from('PROXY UDP4 203.0.113.7 192.0.2.9 1 2\r\n')],
    ['IPv6 as IPv4', Buffer.from('PROXY TCP4 ::1 ::2 1 2\r\n')],
    ['no address', Buffer.from('PROXY TCP4\r\n')],
    ['a port too large', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.9 65536 2\r\n')],
    ['a port with a leading zero', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.9 01 2\r\n')],
    ['two spaces', Buffer.from('PROXY  TCP4 203.0.113.7 192.0.2.9 1 2\r\n')],
    ['more at the end', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.9 1 2 3\r\n')],
    ['no end within 107 bytes', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(100)}`)],
    ['version 3', binaryHeader({ versionAndCommand: 0x31 })],
    ['an unknown command', binaryHeader({ versionAndCommand: 0x22 })],
    ['datagrams', binaryHeader({ family: 0x12 })],
    ['addresses cut off', binaryHeader({ addresses: Buffer.alloc(11) })],
    ['a length out of bounds', Buffer.concat([signature, Buffer.from([0x21, 0x11, 0xff, 0xff])])],
    ['a field cut off', binaryHeader({ vectors: Buffer.from([4, 0, 9, 1]) })],
    ['a field without length', binaryHeader({ vectors: Buffer.from([4, 0]) })],
    ['a TLS field cut off', binaryHeader({ vectors: vector(0x20, Buffer.from([1])) })],
  ])('one with %s is refused', (_name, bytes) => {
    expect(() => parseProxyHeader(bytes)).toThrow(ProxyHeaderError);
  });

  test('any bytes are parsed or refused within 2064 bytes', () => {
    const start = fc.constantFrom(
      Buffer.alloc(0),
      signature,
      Buffer.concat([signature, Buffer.from([0x21, 0x11])]),
      Buffer.from('PROXY '),
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ minLength: 2064, maxLength: 2200 }), (begin, rest) => {
        try {
          const header = parseProxyHeader(Buffer.concat([begin, rest]));
          expect(header?.length).toBeLessThanOrEqual(2064);
        } catch (error) {
          expect(error).toBeInstanceOf(ProxyHeaderError);
        }
      }),
    );
  });
});
