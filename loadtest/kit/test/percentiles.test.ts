import { expect, test } from 'vitest';
import { nearestRank, percentile, summarize } from '../src/percentiles.ts';

test('a percentile is one of the values: the smallest that the share does not exceed', () => {
  const sorted = [15, 20, 35, 40, 50];
  expect([0.05, 0.3, 0.4, 0.5, 1].map((share) => percentile(sorted, share))).toEqual([15, 20, 20, 35, 50]);
  expect(percentile([], 0.5)).toBeUndefined();
  expect([nearestRank(100, 0.95), nearestRank(100, 0), nearestRank(101, 0.99)]).toEqual([95, 1, 100]);
});

test('a summary takes values in any order, and none at all', () => {
  expect(summarize([3, 1, 10, 2])).toEqual({ count: 4, p50: 2, p95: 10, p99: 10, max: 10 });
  expect(summarize([])).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});
