import { describe, expect, test } from 'vitest';
import { GccEstimator, type PacketResult } from '../src/index.ts';
import { ArrivalGroups } from '../src/gcc/arrival-groups.ts';
import { LossControl } from '../src/gcc/loss-control.ts';
import { OveruseDetector } from '../src/gcc/overuse-detector.ts';
import { Prober } from '../src/gcc/prober.ts';
import { RateWindow } from '../src/gcc/rate-window.ts';
import { Trendline } from '../src/gcc/trendline.ts';
import { testEstimator } from './conformance.ts';

testEstimator('gcc', (options) => new GccEstimator(options));

const bounds = { min: 50_000, start: 300_000, max: 8_000_000 };

describe('groups of packets', () => {
  test('packets sent within 5 ms are one group', () => {
    const groups = new ArrivalGroups();
    for (const ms of [0, 2, 4, 20, 22]) expect(groups.add(ms, 100 + ms)).toBeUndefined();
    expect(groups.add(40, 145)).toEqual({ sentMs: 18, arrivedMs: 18, atMs: 122 });
  });

  test('packets that the path delivers in one burst are one group', () => {
    const groups = new ArrivalGroups();
    groups.add(0, 100);
    for (const ms of [20, 30, 40]) groups.add(ms, 150 + ms / 64);
    expect(groups.add(60, 170)).toEqual({ sentMs: 40, arrivedMs: 50.625, atMs: 150.625 });
  });

  test('a pause of more than 3 s and a reordered packet give no difference', () => {
    const groups = new ArrivalGroups();
    for (const ms of [0, 20, 40]) groups.add(ms, ms);
    expect(groups.add(10, 41)).toBeUndefined();
    expect(groups.add(5000, 5000)).toBeUndefined();
    expect(groups.add(5020, 5020)).toBeUndefined();
  });
});

describe('trendline and overuse detector', () => {
  /** Usages of groups every 20 ms, each of which took `growth(index)` ms longer than the last. */
  function usages(groups: number, growth: (index: number) => number): string[] {
    const [line, detector] = [new Trendline(), new OveruseDetector()];
    let atMs = 0;
    return Array.from({ length: groups }, (_, index) => {
      const arrivedMs = 20 + growth(index);
      atMs += arrivedMs;
      return detector.update(line.add({ sentMs: 20, arrivedMs, atMs }), 20, atMs);
    });
  }

  test('a delay that grows steadily is overuse', () => {
    expect(usages(60, () => 2)).toContain('overuse');
  });

  test('a delay that shrinks steadily is underuse, never overuse', () => {
    const seen = usages(60, () => -2);
    expect(seen).toContain('underuse');
    expect(seen).not.toContain('overuse');
  });

  test('a delay that is constant, or alternates, is normal', () => {
    expect(new Set(usages(200, () => 0))).toEqual(new Set(['normal']));
    expect(new Set(usages(200, (index) => (index % 2 === 0 ? 3 : -3)))).toEqual(new Set(['normal']));
  });
});

describe('rate window', () => {
  test('measures the bit rate of its window and forgets older bytes', () => {
    const window = new RateWindow(500);
    for (let ms = 0; ms < 1000; ms += 10) window.add(ms, 1250);
    expect(window.bitrate).toBe(1_000_000);
    for (let ms = 1000; ms < 1500; ms += 10) window.add(ms, 625);
    expect(window.bitrate).toBe(500_000);
  });

  test('has no bit rate before it has measured for half of its length', () => {
    const window = new RateWindow(500);
    window.add(0, 1000);
    expect(window.bitrate).toBeUndefined();
  });

  test('starts again after a jump of the clock in either direction', () => {
    const window = new RateWindow(500);
    for (const begin of [0, 1e9, -1e9]) {
      window.add(begin, 1e6);
      for (let ms = 600; ms < 1200; ms += 10) window.add(begin + ms, 1250);
      expect(window.bitrate).toBe(1_000_000);
    }
  });
});

describe('loss-based controller', () => {
  const after = (losses: readonly number[], acknowledged = 1_000_000): number => {
    const control = new LossControl(bounds);
    losses.forEach((loss, index) =>
      control.update(loss, Math.min(1_000_000, control.limit), acknowledged, index * 1000),
    );
    return control.limit;
  };

  test('loss below 2 % does not limit', () => {
    expect(after([0, 0.01, 0.019])).toBe(Infinity);
  });

  test('loss above 10 % limits to 1 - loss / 2 of the target', () => {
    expect(after([0, 0.2])).toBe(900_000);
  });

  test('loss between 2 and 10 % twice in a row limits to what arrived', () => {
    expect(after([0, 0.05], 950_000)).toBe(Infinity);
    expect(after([0, 0.05, 0.05], 950_000)).toBe(950_000);
  });

  test('constant loss of a few per cent is inherent to the path and does not limit', () => {
    expect(after(Array.from({ length: 30 }, () => 0.05))).toBe(Infinity);
  });

  test('the limit grows by 8 % per second without loss, and ends well above the target', () => {
    expect(after([0, 0.2, 0])).toBeCloseTo(972_000);
    expect(after([0, 0.2, 0, 0, 0, 0, 0])).toBe(Infinity);
  });
});

describe('probes', () => {
  const packets = (id: number, sendMs: number, arriveMs: number): PacketResult[] =>
    Array.from({ length: 5 }, (_, index) => ({
      sentAtMs: index * sendMs,
      arrivedAtMs: 500 + index * arriveMs,
      bytes: 1200,
      probeId: id,
    }));
  const resultOf = (prober: Prober, results: readonly PacketResult[]): number | undefined =>
    results.reduce<number | undefined>((found, each) => found ?? prober.add(each), undefined);

  test('the first has three times the start bit rate, the next twice the confirmed one', () => {
    const prober = new Prober(bounds, 0);
    const first = prober.take(0)!;
    expect(first.bitrate).toBe(900_000);
    expect(prober.take(0)).toBeUndefined();
    const spacingMs = 9_600_000 / 900_000;
    expect(resultOf(prober, packets(first.id, spacingMs, spacingMs))).toBeCloseTo(900_000);
    expect(prober.take(0)!.bitrate).toBeCloseTo(1_800_000);
  });

  test('one that the path delays gives 95 % of the bit rate at which it arrived, and no next one', () => {
    const prober = new Prober(bounds, 0);
    const spacingMs = 9_600_000 / 900_000;
    expect(resultOf(prober, packets(prober.take(0)!.id, spacingMs, 2 * spacingMs))).toBeCloseTo(0.95 * 450_000);
    expect(prober.take(0)).toBeUndefined();
  });

  test('one that arrives much faster than it was sent, or at once, has no result', () => {
    for (const arriveMs of [0, 1]) {
      const prober = new Prober(bounds, 0);
      expect(resultOf(prober, packets(prober.take(0)!.id, 10, arriveMs))).toBeUndefined();
    }
  });

  test('packets of another probe do not count', () => {
    const prober = new Prober(bounds, 0);
    const { id } = prober.take(0)!;
    expect(resultOf(prober, packets(id + 1, 10, 10))).toBeUndefined();
  });
});
