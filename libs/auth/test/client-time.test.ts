import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { checkClientTime } from '../src/index.ts';

const ours = 1_800_000_000_000;
const check = (headers: Record<string, string>, required = true) =>
  checkClientTime({ headers } as unknown as IncomingMessage, { required, now: () => ours });
const asHeader = (ms: number | string) => ({ 'flotilla-time': `${ms}` });
const asSubprotocol = (ms: number | string) => ({ 'sec-websocket-protocol': `flotilla.v1, flotilla.time.${ms}` });

describe("a client's clock", () => {
  test.each([asHeader, asSubprotocol])('may deviate by at most 30 s (%o)', (sent) => {
    for (const off of [-30_000, -1, 0, 30_000]) expect(() => check(sent(ours + off))).not.toThrow();
    for (const required of [true, false]) {
      expect(() => check(sent(ours + 30_100), required)).toThrow(
        expect.objectContaining({
          code: 'CLOCK_SKEW',
          message: 'your clock is 30.1 s ahead of ours; at most 30 s are allowed',
        }),
      );
      expect(() => check(sent(ours - 90_000), required)).toThrow(
        expect.objectContaining({
          code: 'CLOCK_SKEW',
          message: 'your clock is 90.0 s behind ours; at most 30 s are allowed',
        }),
      );
    }
  });

  test.each(['', 'now', '-1', '1e12', '1800000000000.5', '0x1', `${ours}, ${ours}`, '9'.repeat(17)])(
    'said as "%s" is no time',
    (text) => {
      expect(() => check(asHeader(text), false)).toThrow(expect.objectContaining({ code: 'BAD_MESSAGE' }));
    },
  );

  test('is required only by setting, and the refusal names the header', () => {
    expect(() => check({}, false)).not.toThrow();
    expect(() => check({}, true)).toThrow(
      expect.objectContaining({
        code: 'UNAUTHENTICATED',
        message: expect.stringMatching(/`flotilla-time: <ms>` or .*`flotilla\.time\.<ms>`/) as string,
      }),
    );
  });

  test('defaults to that of the service', () => {
    const request = { headers: asHeader(Date.now()) } as unknown as IncomingMessage;
    expect(() => checkClientTime(request, { required: true })).not.toThrow();
  });
});
