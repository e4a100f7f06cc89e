import { describe, expect, test } from 'vitest';
import { mannWhitney, quantiles } from '../src/statistics.ts';

test('quantiles are values of the sample, by nearest rank', () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  expect(quantiles(values)).toEqual({ p50: 100, p95: 190, p99: 198 });
  expect(quantiles([])).toEqual({ p50: 0, p95: 0, p99: 0 });
});

/** Deterministic values between 0 and 1. */
function* uniform(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield state / 2_147_483_648;
  }
}

const sample = (random: Generator<number, never>, count: number, shift = 0): number[] =>
  Array.from({ length: count }, () => random.next().value + shift);

describe('the Mann-Whitney test', () => {
  test('has the probability of its normal approximation, with ties and continuity corrected', () => {
    // By hand: U = 8 of 42 for the first sample, and the complementary error function of Python's math.erfc.
    const { p, secondIsLarger } = mannWhitney([1, 2, 2, 3, 5, 8], [2, 4, 6, 7, 9, 9, 10]);
    expect(secondIsLarger).toBeCloseTo(1 - 8 / 42, 10);
    expect(p).toBeCloseTo(0.07216011, 6);
  });

  test('finds a difference in 1 % of samples that have none, and in those that differ by a tenth of their range', () => {
    const random = uniform(7);
    const found = Array.from({ length: 1000 }, () => mannWhitney(sample(random, 50), sample(random, 50)).p < 0.01);
    const rate = found.filter(Boolean).length / 1000;
    expect(rate).toBeGreaterThan(0.002);
    expect(rate).toBeLessThan(0.02);
    const { p, secondIsLarger } = mannWhitney(sample(random, 500), sample(random, 500, 0.1));
    expect(p).toBeLessThan(0.001);
    expect(secondIsLarger).toBeGreaterThan(0.55);
  });

  test('finds none in equal, constant and empty samples', () => {
    expect(mannWhitney([1, 1, 1], [1, 1])).toEqual({ p: 1, secondIsLarger: 0.5 });
    expect(mannWhitney([], [1])).toEqual({ p: 1, secondIsLarger: 0.5 });
  });
});
