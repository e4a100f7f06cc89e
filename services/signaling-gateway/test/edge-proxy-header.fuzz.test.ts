import { isIP } from 'node:net';
import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';
import { canonical, trustOf } from '@flotilla/runtime';
import { parseProxyHeader, ProxyHeaderError } from '../src/edge/proxy-header.ts';

const maxHeaderBytes = 16 + 2048;
const trusts = trustOf(['10.0.0.0/8', '2001:db8:a::/48']);

/** The parsed header, or why there is none. */
function parsed(bytes: Buffer) {
  try {
    return parseProxyHeader(bytes) ?? 'incomplete';
  } catch (error) {
    if (error instanceof ProxyHeaderError) return 'refused';
    throw error;
  }
}

testParser('PROXY header', new URL('corpus/proxy-header/', import.meta.url), {
  outcomes: ['accepted', 'incomplete', 'refused'],
  // What one read of the socket may return in addition.
  maxBytes: 4096,
  words: [
    'PROXY ',
    'TCP4',
    'TCP6',
    'UNKNOWN',
    '\r\n\r\n\0\r\nQUIT\n',
    '::1',
    '::ffff:1.2.3.4',
    'fe80::1%eth0',
    '1.2.3',
  ],
  outcomeOf: (input) => {
    const header = parsed(input);
    if (header === 'incomplete') expect(input.length).toBeLessThan(maxHeaderBytes);
    if (typeof header === 'string') return header;
    const { length, relayed } = header;
    expect(length).toBeLessThanOrEqual(Math.min(input.length, maxHeaderBytes));
    // The outcome does not depend on how the bytes are split.
    expect(parsed(input.subarray(0, length))).toEqual(header);
    expect(parsed(input.subarray(0, length - 1))).toBe('incomplete');
    const { address } = relayed;
    if (address === undefined) return 'accepted';
    expect(isIP(address)).not.toBe(0);
    expect(isIP(canonical(address))).not.toBe(0);
    expect(canonical(canonical(address))).toBe(canonical(address));
    expect(trusts(address)).toBe(trusts(canonical(address)));
    return 'accepted';
  },
});
