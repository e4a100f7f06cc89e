import { describe, expect, test } from 'vitest';
import { ArticleEstimator, articleParameters, type ReceiverReport } from '../src/index.ts';
import { testEstimator } from './conformance.ts';

testEstimator('article', (options) => new ArticleEstimator(options));

const bounds = { min: 50_000, start: 1_000_000, max: 8_000_000 };

/** The targets after each report, one per second. */
function targets(reports: readonly Partial<ReceiverReport>[], parameters = articleParameters): number[] {
  let nowMs = 0;
  const estimator = new ArticleEstimator({ bounds, now: () => nowMs }, parameters);
  return reports.map((report) => {
    nowMs += 1000;
    estimator.onFeedback({ kind: 'report', fractionLost: 0, jitterMs: 0, rttMs: 100, sentBitrate: 1e6, ...report });
    return estimator.targetBitrate;
  });
}

describe('the rule of the article', () => {
  test('2 % of loss lowers the target by a tenth', () => {
    expect(targets([{ fractionLost: 0.02 }])).toEqual([900_000]);
  });

  test('a jitter of half the round-trip time raises the target by an eighth', () => {
    expect(targets([{ jitterMs: 50 }])).toEqual([1_125_000]);
  });

  test('one change is at least 0.8 and at most 1.25', () => {
    expect(targets([{ fractionLost: 1 }])).toEqual([800_000]);
    expect(targets([{ jitterMs: 5000 }])).toEqual([1_250_000]);
  });

  test('without loss and jitter the target stays', () => {
    expect(targets([{}, {}, {}])).toEqual([1e6, 1e6, 1e6]);
  });

  test('after three rises of the round-trip time in a row the target does not grow, until it no longer rises', () => {
    const rtts = [100, 101, 102, 103, 104, 104];
    const seen = targets(rtts.map((rttMs) => ({ rttMs, jitterMs: rttMs / 2 })));
    expect(seen[2]).toBeGreaterThan(seen[1]!);
    expect(seen[3]).toBe(seen[2]);
    expect(seen[4]).toBe(seen[2]);
    expect(seen[5]).toBeGreaterThan(seen[4]!);
  });

  test('loss lowers the target while round-trip times rise', () => {
    const rtts = [100, 101, 102, 103];
    expect(targets(rtts.map((rttMs) => ({ rttMs, fractionLost: rttMs === 103 ? 0.02 : 0 }))).at(-1)).toBe(900_000);
  });

  test('with triggers, reports below all of them change nothing', () => {
    const parameters = { ...articleParameters, triggers: { lossPercent: 2, jitterShare: 0.3, everyMs: 1000 } };
    expect(targets([{ fractionLost: 0.01, jitterMs: 10 }], parameters)).toEqual([1e6]);
    expect(targets([{ fractionLost: 0.04, jitterMs: 0 }], parameters)).toEqual([800_000]);
  });
});
