import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';
import { parseNtpServer } from '../src/index.ts';
import { readAnswer } from '../src/ntp/answer.ts';
import { decodePacket, encodePacket } from '../src/ntp/packet.ts';
import { nameOf } from '../src/ntp/server-address.ts';
import { maxDistanceMs } from '../src/sync/sample.ts';

/** The transmit timestamp of the request that the seeds answer, and the time at which it was sent. */
const nonce = 0x1122334455667788n;
const sentAt = Date.UTC(2026, 10, 28);
const halfEraMs = 2 ** 31 * 1000;
const headerBytes = 48;

testParser('NTP response', new URL('corpus/ntp-response/', import.meta.url), {
  outcomes: ['time', 'kiss', 'unsynchronised', 'no answer', 'too short'],
  // An IPv4 datagram.
  maxBytes: 65_507,
  bounds: { cpuMs: 10, allocatedBytes: 2 ** 20 },
  outcomeOf: (input) => {
    const packet = decodePacket(input);
    if (!packet) {
      expect(input.length).toBeLessThan(headerBytes);
      return 'too short';
    }
    expect(Buffer.from(encodePacket(packet))).toEqual(input.subarray(0, headerBytes));
    const answer = readAnswer(packet, nonce, sentAt);
    if (!answer) return 'no answer';
    expect(input.readBigUInt64BE(24)).toBe(nonce);
    if (answer.kind === 'kiss') expect(answer.code).toMatch(/^[A-Za-z0-9]{0,4}$/);
    if (answer.kind !== 'time') return answer.kind;
    for (const time of [answer.t2, answer.t3]) expect(Math.abs(time - sentAt)).toBeLessThanOrEqual(halfEraMs);
    expect(answer.rootDelayMs).toBeGreaterThanOrEqual(0);
    expect(answer.rootDispersionMs).toBeGreaterThanOrEqual(0);
    expect(answer.rootDelayMs / 2 + answer.rootDispersionMs).toBeLessThan(maxDistanceMs + 1000);
    return 'time';
  },
});

testParser('address of an NTP server', new URL('corpus/ntp-address/', import.meta.url), {
  outcomes: ['accepted', 'refused'],
  maxBytes: 4096,
  words: ['[', ']', '::1', ':123', '%eth0', '192.0.2.1', 'ntp.example', ':65536', ':00123'],
  outcomeOf: (input) => {
    const server = parseNtpServer(input.toString());
    if (!server) return 'refused';
    expect(parseNtpServer(nameOf(server))).toEqual(server);
    expect(server.host).toMatch(/^[\w.-]{1,253}$|^[\w.:%-]+$/);
    return 'accepted';
  },
});
