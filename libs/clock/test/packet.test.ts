import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '@flotilla/runtime';
import { clockConfig, parseNtpServer } from '../src/index.ts';
import { readAnswer } from '../src/ntp/answer.ts';
import { decodePacket, encodePacket, timestampToUnixMs } from '../src/ntp/packet.ts';
import { nameOf } from '../src/ntp/server-address.ts';
import { unixMsToTimestamp } from './ntp-server.ts';

const timestamp = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
const shortMs = uint(32).map((units) => units / 65.536);
const packet = fc.record({
  leap: uint(2),
  version: uint(3),
  mode: uint(3),
  stratum: uint(8),
  poll: fc.integer({ min: -128, max: 127 }),
  precision: fc.integer({ min: -128, max: 127 }),
  rootDelayMs: shortMs,
  rootDispersionMs: shortMs,
  referenceId: uint(32),
  reference: timestamp,
  origin: timestamp,
  receive: timestamp,
  transmit: timestamp,
});

describe('NTP packets', () => {
  test('decoding an encoded packet returns its fields, whatever follows the header', () => {
    fc.assert(
      fc.property(packet, fc.uint8Array({ maxLength: 100 }), (sent, rest) => {
        expect(decodePacket(Uint8Array.from([...encodePacket(sent), ...rest]))).toEqual(sent);
      }),
    );
  });

  test('fields have the offsets of RFC 5905, figure 8', () => {
    const bytes = Buffer.from(
      '24010ae900000a1b0000052f47505300e9a1b2c3d4e5f607e9a1b2c4000000011122334455667788e9a1b2c580000000',
      'hex',
    );
    expect(decodePacket(bytes)).toEqual({
      leap: 0,
      version: 4,
      mode: 4,
      stratum: 1,
      poll: 10,
      precision: -23,
      rootDelayMs: (0x0a1b * 1000) / 65_536,
      rootDispersionMs: (0x052f * 1000) / 65_536,
      referenceId: 0x47505300,
      reference: 0xe9a1b2c3d4e5f607n,
      origin: 0xe9a1b2c400000001n,
      receive: 0x1122334455667788n,
      transmit: 0xe9a1b2c580000000n,
    });
  });

  test('any bytes decode without an exception, and answer only the request with their nonce', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), timestamp, (bytes, nonce) => {
        const read = decodePacket(bytes);
        expect(read === undefined).toBe(bytes.length < 48);
        if (read && read.origin !== nonce) expect(readAnswer(read, nonce, 0)).toBeUndefined();
      }),
    );
  });

  test('a response of an unsynchronised server has no time', () => {
    fc.assert(
      fc.property(packet, (sent) => {
        const answer = readAnswer({ ...sent, mode: 4, version: 4 }, sent.origin, 0);
        if (sent.stratum === 0)
          expect(answer).toMatchObject({ kind: 'kiss', code: expect.stringMatching(/^\w{0,4}$/) });
        else if (sent.leap === 3 || sent.stratum > 15) expect(answer).toEqual({ kind: 'unsynchronised' });
      }),
    );
  });
});

describe('NTP timestamps', () => {
  const halfEraMs = 2 ** 31 * 1000;
  /** 1902 to 2500: several eras. */
  const moment = fc.double({ min: -2e12, max: 16.7e12, noNaN: true });

  test('convert from and to Unix time with an error below 5 µs, within 68 years of the reference time', () => {
    fc.assert(
      fc.property(moment, fc.double({ min: -0.999, max: 0.999, noNaN: true }), (unixMs, away) => {
        const nearMs = unixMs + away * halfEraMs;
        expect(Math.abs(timestampToUnixMs(unixMsToTimestamp(unixMs), nearMs) - unixMs)).toBeLessThan(0.005);
      }),
    );
  });

  test.each([
    [0x83aa7e80_00000000n, 0],
    [0x83aa7e80_80000000n, 500],
    // 2036-02-07T06:28:16Z, where era 1 begins.
    [0n, 2_085_978_496_000],
  ])('timestamp %s is %s ms since the Unix epoch', (timestamp, unixMs) => {
    expect(timestampToUnixMs(timestamp, Date.UTC(2030, 0))).toBe(unixMs);
  });
});

describe('NTP server addresses', () => {
  test.each([
    ['ntp.example', { host: 'ntp.example', port: 123 }],
    ['ntp.example:1123', { host: 'ntp.example', port: 1123 }],
    ['192.0.2.1:123', { host: '192.0.2.1', port: 123 }],
    ['2001:db8::1', { host: '2001:db8::1', port: 123 }],
    ['[2001:db8::1]:1123', { host: '2001:db8::1', port: 1123 }],
  ])('%s is parsed', (text, server) => {
    expect(parseNtpServer(text)).toEqual(server);
    expect(parseNtpServer(nameOf(server))).toEqual(server);
  });

  test.each(['', 'a b', 'host:0', 'host:65536', 'host:x', '[192.0.2.1]:1', '[::1', '-x', 'ntp://host'])(
    '%j is refused',
    (text) => expect(parseNtpServer(text)).toBeUndefined(),
  );

  test('the environment lists up to eight, and a wrong one is named in the error', () => {
    expect(loadConfig(clockConfig, {})).toEqual({ FLOTILLA_NTP_SERVERS: [], FLOTILLA_NTP_INTERVAL_SECONDS: 5 });
    expect(loadConfig(clockConfig, { FLOTILLA_NTP_SERVERS: 'a, b:1' }).FLOTILLA_NTP_SERVERS).toEqual([
      { host: 'a', port: 123 },
      { host: 'b', port: 1 },
    ]);
    expect(() => loadConfig(clockConfig, { FLOTILLA_NTP_SERVERS: 'a,b:x' })).toThrow(/b:x is neither/);
    expect(() => loadConfig(clockConfig, { FLOTILLA_NTP_SERVERS: 'a,b,c,d,e,f,g,h,i' })).toThrow(/at most 8/);
  });
});
