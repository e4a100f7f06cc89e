import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrivals, type LoadShape } from '../src/arrivals.ts';

const shape: LoadShape = { users: 50, rampSeconds: 20, plateauSeconds: 60, burst: 7, staySeconds: 15 };
const insideAt = (all: ReturnType<typeof arrivals>, time: number): number =>
  all.filter(({ at, until }) => at <= time && time < until).length;

describe('the users of a load', () => {
  const all = arrivals(shape, Math.random);

  test('are as many as asked for at any time after the ramp, and more from the burst to the end', () => {
    for (const time of [20, 31.5, 49.9]) expect(insideAt(all, time), `${time} s`).toBe(50);
    for (const time of [50.1, 66, 79.9]) expect(insideAt(all, time), `${time} s`).toBe(57);
  });

  test('come in order, within the load, and have left at its end', () => {
    fc.assert(
      fc.property(
        fc.record({
          users: fc.integer({ min: 1, max: 40 }),
          rampSeconds: fc.integer({ min: 1, max: 30 }),
          plateauSeconds: fc.integer({ min: 1, max: 30 }),
          burst: fc.nat({ max: 10 }),
          staySeconds: fc.integer({ min: 1, max: 100 }),
        }),
        (each) => {
          const found = arrivals(each, Math.random);
          const end = each.rampSeconds + each.plateauSeconds;
          expect(found.length).toBeGreaterThanOrEqual(each.users + each.burst);
          expect(found.every(({ at, until }) => at >= 0 && at <= until && until <= end)).toBe(true);
          expect(found.map(({ at }) => at)).toEqual(found.map(({ at }) => at).toSorted((one, other) => one - other));
        },
      ),
    );
  });

  test('stay as long as asked for on average', () => {
    const many = arrivals({ ...shape, users: 400, plateauSeconds: 2000, burst: 0 }, Math.random);
    const stays = many.filter(({ at }) => at < 1500).map(({ at, until }) => until - at);
    const mean = stays.reduce((sum, each) => sum + each, 0) / stays.length;
    // Some 40,000 stays: the standard error of the mean is 0.5 %.
    expect(mean).toBeGreaterThan(14);
    expect(mean).toBeLessThan(16);
  });
});
