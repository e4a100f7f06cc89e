import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { announcedAddresses, checkAnnounced, httpUrl, listenAddress } from '../src/index.ts';

const accepts = (type: z.ZodType, text: string): boolean => type.safeParse(text).success;

describe('settings that are addresses', () => {
  test.each(['0.0.0.0', '::', '127.0.0.1', 'localhost', 'node-1.example', 'a'])('%s can be listened at', (text) => {
    expect(accepts(listenAddress(), text)).toBe(true);
  });

  test.each(['256.1.1.1', '1.2.3', 'two words', 'http://host', '-a', 'a_b', 'x'.repeat(64), '10.0.0.1:80'])(
    '%s is no address',
    (text) => {
      expect([accepts(listenAddress(), text), accepts(announcedAddresses(), text)]).toEqual([false, false]);
    },
  );

  test.each(['203.0.113.7', '203.0.113.7, 2001:db8::7', 'media.example'])('%s can be announced', (text) => {
    expect(accepts(announcedAddresses(), text)).toBe(true);
  });

  test.each(['0.0.0.0', '::', '0:0::0', '203.0.113.7,', ',', '203.0.113.7, 0.0.0.0'])(
    '%s cannot be announced',
    (text) => {
      expect(accepts(announcedAddresses(), text)).toBe(false);
    },
  );

  test.each([
    ['http://collector:4318', true],
    ['https://calls.example/v1', true],
    ['ftp://calls.example', false],
    ['calls.example', false],
  ])('%s is a URL of HTTP: %s', (text, isOne) => {
    expect(accepts(httpUrl(), text)).toBe(isOne);
  });

  const schema = z
    .object({ LISTEN: z.array(z.string()), ANNOUNCED: announcedAddresses().optional() })
    .superRefine((settings, context) =>
      checkAnnounced(settings, context, { listensAt: 'LISTEN', announces: 'ANNOUNCED' }),
    );

  test.each([
    [{ LISTEN: ['127.0.0.1', '192.0.2.1'] }, true],
    [{ LISTEN: ['0.0.0.0'], ANNOUNCED: '203.0.113.7' }, true],
    [{ LISTEN: ['0.0.0.0'] }, false],
    [{ LISTEN: ['192.0.2.1', '::'] }, false],
  ])('%j has an address to announce: %s', (settings, hasOne) => {
    expect(schema.safeParse(settings).success).toBe(hasOne);
  });
});
