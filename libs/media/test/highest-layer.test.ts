import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HighestLayer, lowerAfterMs } from '../src/layers/highest-layer.ts';

type Report = number | null;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const [ada, bob] = [{ name: 'ada' }, { name: 'bob' }];

function published(): { stream: HighestLayer<object>; reports: Report[] } {
  const reports: Report[] = [];
  return { stream: new HighestLayer(3, (layer) => reports.push(layer), 'all'), reports };
}

describe('HighestLayer of a publisher, which begins with all layers', () => {
  test('reports after two seconds that nothing is used, and at once that something is', () => {
    const { stream, reports } = published();
    vi.advanceTimersByTime(lowerAfterMs - 1);
    expect(reports).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(reports).toEqual([null]);
    expect(stream.isReduced).toBe(true);
    stream.set(ada, 0);
    stream.set(bob, 2);
    expect(reports).toEqual([null, 0, 2]);
    expect(stream.isReduced).toBe(false);
  });

  test('reports the highest layer of the users, of those above the highest that there is the highest', () => {
    const { stream, reports } = published();
    stream.set(ada, Infinity);
    stream.set(bob, 1);
    vi.advanceTimersByTime(lowerAfterMs);
    expect(reports).toEqual([]);
    stream.delete(ada);
    vi.advanceTimersByTime(lowerAfterMs);
    expect(reports).toEqual([1]);
  });

  test('a layer that is used again within two seconds is not reported as unused', () => {
    const { stream, reports } = published();
    stream.set(ada, 2);
    for (let round = 0; round < 10; round++) {
      stream.set(ada, null);
      vi.advanceTimersByTime(lowerAfterMs - 1);
      stream.set(ada, 2);
      vi.advanceTimersByTime(1);
    }
    expect(reports).toEqual([]);
  });

  test('reports nothing after it was closed', () => {
    const { stream, reports } = published();
    stream.close();
    vi.advanceTimersByTime(2 * lowerAfterMs);
    expect(reports).toEqual([]);
  });
});

describe('HighestLayer of a stream from another node, of which nothing was reported', () => {
  test('the first use is reported at once, although it is less than all', () => {
    const reports: Report[] = [];
    const stream = new HighestLayer<object>(3, (layer) => reports.push(layer));
    stream.set(ada, 0);
    expect(reports).toEqual([0]);
    vi.advanceTimersByTime(2 * lowerAfterMs);
    expect(reports).toEqual([0]);
  });

  test('a stream that is never used is reported as unused after two seconds', () => {
    const reports: Report[] = [];
    void new HighestLayer<object>(3, (layer) => reports.push(layer));
    vi.advanceTimersByTime(lowerAfterMs);
    expect(reports).toEqual([null]);
  });
});

describe('HighestLayer with any sequence of changes', () => {
  const users = [ada, bob, { name: 'eve' }];
  const layer = fc.option(fc.integer({ min: 0, max: 7 }), { nil: null });
  const step = fc.oneof(
    fc.record({ user: fc.integer({ min: 0, max: 2 }), layer }),
    fc.record({ user: fc.integer({ min: 0, max: 2 }), left: fc.constant(true) }),
    fc.record({ ms: fc.integer({ min: 1, max: 3000 }) }),
  );

  test('never reports less than is used, and ends at what is used, with one report for each change at most', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 4 }), (steps, layers) => {
        let [reported, reports, changes] = [layers, 0, 0];
        const stream = new HighestLayer<object>(
          layers,
          (highest) => {
            const level = highest === null ? 0 : highest + 1;
            expect(level).not.toBe(reported);
            reported = level;
            reports++;
          },
          'all',
        );
        const used = new Map<object, number>();
        const highest = (): number => Math.max(0, ...used.values());
        for (const each of steps) {
          if ('ms' in each) vi.advanceTimersByTime(each.ms);
          else {
            changes++;
            const user = users[each.user]!;
            if ('left' in each) {
              used.delete(user);
              stream.delete(user);
            } else {
              used.set(user, each.layer === null ? 0 : Math.min(each.layer + 1, layers));
              stream.set(user, each.layer);
            }
          }
          expect(reported).toBeGreaterThanOrEqual(highest());
        }
        vi.advanceTimersByTime(2 * lowerAfterMs);
        expect(reported).toBe(highest());
        // Each change may raise it, and lower it later; and the first lowers it from all.
        expect(reports).toBeLessThanOrEqual(2 * changes + 1);
        stream.close();
      }),
    );
  });
});
