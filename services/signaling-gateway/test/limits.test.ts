import { TokenBucket } from '@flotilla/runtime';
import { maxNesting } from '@flotilla/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nestsDeeperThan } from '../src/limits/nesting.ts';
import { Overload } from '../src/limits/overload.ts';
import { limitsPerAddress } from './limits-per-address.ts';

const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

describe('nesting', () => {
  test('is measured without parsing, for any content of strings', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat({ max: 8 }), (value, limit) => {
        expect(nestsDeeperThan(JSON.stringify(value), limit)).toBe(depthOf(value) > limit);
      }),
    );
    expect(nestsDeeperThan('["[[[[", "\\"[[[[", "\\\\"]', 1)).toBe(false);
    expect(nestsDeeperThan('['.repeat(maxNesting + 1), maxNesting)).toBe(true);
  });
});

describe('a token bucket', () => {
  test('admits at most its burst plus its rate, and at least its burst', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 100 }),
        fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 300 }),
        (perSecond, burst, pauses) => {
          const bucket = new TokenBucket(perSecond, burst, 0);
          let [now, taken] = [0, 0];
          for (const pause of pauses) {
            now += pause;
            if (bucket.take(now)) taken++;
            expect(taken).toBeLessThanOrEqual(burst + (now / 1000) * perSecond + 1e-6);
          }
          expect(taken).toBeGreaterThanOrEqual(Math.min(pauses.length, burst));
        },
      ),
    );
  });
});

describe('connection limits', () => {
  const limits = (settings = {}) =>
    limitsPerAddress(3, { total: 5, perAddressPerSecond: 1, messagesPerAddressPerSecond: 2, ...settings });

  test('refuse above the limit per address and in total, and admit again after a release', () => {
    const connections = limits();
    const releases = [1, 2, 3].map(() => connections.admit('a', 0).release);
    expect(() => connections.admit('a', 0)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    connections.admit('b', 0);
    connections.admit('b', 0);
    expect(() => connections.admit('c', 0)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    releases[0]!();
    releases[0]!();
    expect(connections.open).toBe(4);
    connections.admit('a', 0);
    expect(connections.open).toBe(5);
  });

  test('refuse an address that reconnects too fast until its rate allows it', () => {
    const connections = limits();
    for (let count = 0; count < 10; count++) connections.admit('a', 0).release();
    expect(() => connections.admit('a', 0)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    connections.admit('a', 1000).release();
    expect(() => connections.admit('a', 1000)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
  });

  test('share one message rate among the connections of an address only', () => {
    const connections = limits();
    const [first, second, otherAddress] = ['a', 'a', 'b'].map((address) => connections.admit(address, 0).messages);
    const sent = [first, second, first, second, first, second, first].map((messages) => messages!.take(0));
    expect(sent).toEqual([true, true, true, true, true, true, false]);
    expect(otherAddress!.take(0)).toBe(true);
    expect([second!.take(1000), first!.take(1000), second!.take(1000)]).toEqual([true, true, false]);
  });

  test('take a /64 network of IPv6 for one address', () => {
    const connections = limits({ perAddressPerSecond: 100 });
    for (let host = 0; host < 3; host++) connections.admit(`2001:db8::${host}`, 0);
    expect(() => connections.admit('2001:db8::3', 0)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    expect(() => connections.admit('2001:db8:0:1::1', 0)).not.toThrow();
  });
});

describe('overload', () => {
  const calm = { delayMs: 1, heapShare: 0.1 };
  const slow = { delayMs: 600, heapShare: 0.1 };

  test('ignores a single bad sample, and rises and falls one level at a time', () => {
    const overload = new Overload(500);
    const levels = (samples: { delayMs: number; heapShare: number }[]) =>
      samples.map((sample) => (overload.add(sample), overload.level));
    expect(levels([slow, calm, slow, calm])).toEqual([0, 0, 0, 0]);
    expect(levels([slow, slow])).toEqual([0, 1]);
    const stuck = { delayMs: 2500, heapShare: 0.1 };
    expect(levels([stuck, stuck])).toEqual([1, 2]);
    expect(levels([calm, calm, stuck, calm, calm, calm])).toEqual([2, 2, 2, 2, 2, 1]);
    expect(levels([calm, calm, calm])).toEqual([1, 1, 0]);
  });

  test('rises when the heap is nearly full', () => {
    const overload = new Overload(500);
    for (let count = 0; count < 2; count++) overload.add({ delayMs: 1, heapShare: 0.9 });
    expect(overload.level).toBe(1);
  });
});
