import { Negotiation } from '@flotilla/contracts';
import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';
import { readPayload } from '../src/inbound/parse-request.ts';

const usernameFragment = 'abcd';

/** What a browser reads of a candidate: its fields are separated by spaces, eight of them and then pairs. */
function expectReadable(candidate: string): void {
  expect(candidate).toMatch(/^[ -~]*$/);
  const fields = candidate.split(' ');
  expect(fields.every((field) => field !== '')).toBe(true);
  expect(fields.length % 2).toBe(0);
  expect(fields[6]).toBe('typ');
  expect(Number(fields[3])).toBeLessThan(2 ** 31);
  for (const port of [fields[5], fields[fields.indexOf('rport') + 1]])
    if (/^\d+$/.test(port!)) expect(Number(port)).toBeLessThan(2 ** 16);
}

testParser('ICE candidate', new URL('corpus/ice-candidate/', import.meta.url), {
  outcomes: ['accepted', 'BAD_PAYLOAD'],
  maxBytes: 4096,
  words: [
    ...['candidate:', ' 1 udp ', ' 1 TCP ', ' typ host', ' typ srflx', ' typ relay', ' raddr 0.0.0.0 rport 0'],
    ...[' tcptype active', ' generation 0', ' ufrag abcd', ' network-id 1', ' network-cost 999', ' '],
    ...['192.0.2.1', '2001:db8::1', 'a.local', 'a.example', '\r\na=sendrecv', '2147483647', '65535'],
  ],
  outcomeOf: (input) => {
    const candidate = input.toString();
    const payload = {
      kind: 'candidate',
      peer: 'pt_a',
      candidate: { candidate, sdpMid: '0', sdpMLineIndex: 0, usernameFragment },
    };
    const parsed = Negotiation.safeParse(payload);
    const request = { id: '1', type: 'negotiate', to: 'room:rm_a' as const, payload };
    if (!parsed.success) {
      expect(() => readPayload(request, undefined)).toThrow(/candidate/);
      return 'BAD_PAYLOAD';
    }
    expect(parsed.data).toEqual(payload);
    if (candidate !== '') expectReadable(candidate);
    return 'accepted';
  },
});
