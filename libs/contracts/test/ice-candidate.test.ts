import { describe, expect, test } from 'vitest';
import { firstIssue, Negotiation } from '../src/index.ts';

const good = {
  candidate: 'candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host',
  sdpMid: '0',
  sdpMLineIndex: 0,
  usernameFragment: 'aB3+',
};
const refusal = (changes: object): string | undefined => {
  const { error } = Negotiation.safeParse({ kind: 'candidate', peer: 'pt_a', candidate: { ...good, ...changes } });
  return error && firstIssue(error);
};
const mdns = '5b1f1c2e-7d0a-4c0e-9f51-3c7d2b0a9e11.local';

describe('a candidate of a browser', () => {
  test.each([
    [
      'of Chromium, host',
      'candidate:842163049 1 udp 2122260223 192.0.2.1 46154 typ host generation 0 ufrag EsAw network-id 1',
    ],
    [
      'of Chromium, mDNS',
      `candidate:1 1 udp 2113937151 ${mdns} 51234 typ host generation 0 ufrag EsAw network-cost 999`,
    ],
    [
      'of Chromium, TCP',
      `candidate:3 1 tcp 1518280447 ${mdns} 9 typ host tcptype active generation 0 ufrag EsAw network-id 1 network-cost 10`,
    ],
    [
      'of Chromium, IPv6',
      'candidate:4 1 udp 2122262783 2001:db8::1 55000 typ host generation 0 ufrag EsAw network-id 2 network-cost 50',
    ],
    [
      'of Chromium, server reflexive',
      'candidate:5 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw network-cost 999',
    ],
    [
      'of Chromium, relayed',
      'candidate:6 1 udp 41885439 203.0.113.9 60000 typ relay raddr 203.0.113.7 rport 46154 generation 0 ufrag EsAw network-cost 999',
    ],
    ['of Firefox, host', 'candidate:0 1 UDP 2122252543 192.0.2.1 54321 typ host'],
    ['of Firefox, mDNS', `candidate:0 1 UDP 2122252543 ${mdns} 54321 typ host`],
    ['of Firefox, TCP', `candidate:1 1 TCP 2105524479 ${mdns} 9 typ host tcptype active`],
    ['of Firefox, server reflexive', 'candidate:2 1 UDP 1686052863 203.0.113.7 54321 typ srflx raddr 0.0.0.0 rport 0'],
    ['of Firefox, relayed', 'candidate:3 2 UDP 92217086 203.0.113.9 50000 typ relay raddr 203.0.113.9 rport 50000'],
    ['of Safari, IPv4 in IPv6', 'candidate:7 1 udp 2122262783 ::ffff:192.0.2.1 55000 typ prflx raddr :: rport 9'],
    ['that ends them', ''],
  ])('%s is accepted', (_, candidate) => {
    expect(refusal({ candidate })).toBeUndefined();
  });

  test('that ends them may lack its media section, and one section may be named by its index alone', () => {
    expect(refusal({ candidate: '', sdpMid: null, sdpMLineIndex: null })).toBeUndefined();
    expect(refusal({ sdpMid: null })).toBeUndefined();
    expect(refusal({ sdpMLineIndex: null })).toBeUndefined();
  });
});

test('a candidate with an empty sdpMid, as Pion sends it, is passed on with its index alone', () => {
  const part = { kind: 'candidate', peer: 'pt_a', candidate: { ...good, sdpMid: '', sdpMLineIndex: 1 } };
  expect(Negotiation.parse(part)).toEqual({ ...part, candidate: { ...good, sdpMid: null, sdpMLineIndex: 1 } });
});

describe('a candidate', () => {
  const { candidate } = good;
  test.each([
    ['free text', 'my candidate', /candidate-attribute/],
    ['a line break', `${candidate}\r\na=setup:passive`, /candidate-attribute/],
    ['a line break at its end', `${candidate}\n`, /candidate-attribute/],
    ['the attribute name', `a=${candidate}`, /candidate-attribute/],
    ['two spaces', candidate.replace(' udp', '  udp'), /candidate-attribute/],
    ['a character that is not ASCII', `${candidate} name é`, /candidate-attribute/],
    ['a foundation of 33 characters', candidate.replace(':1 ', `:${'1'.repeat(33)} `), /candidate-attribute/],
    ['another transport', candidate.replace('udp', 'sctp'), /candidate-attribute/],
    ['another type', candidate.replace('host', 'guest'), /candidate-attribute/],
    ['an extension without value', `${candidate} generation`, /candidate-attribute/],
    ['component 0', candidate.replace(' 1 udp', ' 0 udp'), /component/],
    ['component 257', candidate.replace(' 1 udp', ' 257 udp'), /component/],
    ['priority 0', candidate.replace('2122260223', '0'), /priority/],
    ['a priority of 2^31', candidate.replace('2122260223', '2147483648'), /priority/],
    ['port 65536', candidate.replace('50000', '65536'), /port/],
    ['a name of the DNS', candidate.replace('192.0.2.1', 'tracker.example'), /address/],
    ['a number too large in its address', candidate.replace('192.0.2.1', '192.0.2.256'), /address/],
    ['a related name of the DNS', `${candidate} raddr tracker.example rport 9`, /related address/],
    ['a related address without port', `${candidate} raddr 192.0.2.1`, undefined],
    ['TCP without tcptype', candidate.replace('udp', 'tcp'), /tcptype/],
    ['an unknown tcptype', `${candidate.replace('udp', 'tcp')} tcptype both`, /tcptype/],
    ['a generation above 32 bits', `${candidate} generation 4294967296`, /generation/],
    ['a network-cost that is no number', `${candidate} network-cost x`, /network-cost/],
    ['a ufrag of three characters', `${candidate} ufrag abc`, /ufrag/],
    ['1,025 characters', `${candidate} x ${'y'.repeat(1025)}`, /1024/],
  ])('with %s is judged by the grammar', (_, text, message) => {
    if (message === undefined) expect(refusal({ candidate: text })).toBeUndefined();
    else expect(refusal({ candidate: text })).toMatch(message);
  });

  test.each([
    ['sdpMid with a space', { sdpMid: 'a b' }],
    ['sdpMid with a line break', { sdpMid: '0\r\n' }],
    ['an empty sdpMid and no index', { sdpMid: '', sdpMLineIndex: null }],
    ['neither mid nor index', { sdpMid: null, sdpMLineIndex: null }],
    ['a usernameFragment of three characters', { usernameFragment: 'abc' }],
    ['a usernameFragment of 257 characters', { usernameFragment: 'a'.repeat(257) }],
    ['a usernameFragment with a line break', { usernameFragment: 'abcd\n' }],
    ['a usernameFragment with another character', { usernameFragment: 'ab-cd' }],
  ])('with %s is refused', (_, changes) => {
    expect(refusal(changes)).toBeDefined();
  });

  test('the end of candidates names a generation in the same grammar', () => {
    const end = (usernameFragment: string) =>
      Negotiation.safeParse({ kind: 'end_of_candidates', peer: 'pt_a', usernameFragment }).success;
    expect(end('abcd')).toBe(true);
    expect(end('abc')).toBe(false);
    expect(end('abcd\r\n')).toBe(false);
  });
});
