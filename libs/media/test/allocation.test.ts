import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate, costOf, paused, type WantedVideo } from '../src/allocation/allocate.ts';

const increase = { mayIncrease: true, margin: 0 } as const;
const hold = { mayIncrease: false, margin: 0 } as const;

/** Videos with any layers, each sent at any of them. */
const videos = fc.array(
  fc
    .record({
      importance: fc.integer({ min: 1, max: 255 }),
      increments: fc.array(fc.tuple(fc.integer({ min: 0, max: 2_000_000 }), fc.integer({ min: 1, max: 8 })), {
        minLength: 1,
        maxLength: 4,
      }),
      sent: fc.nat(),
    })
    .map(({ importance, increments, sent }): WantedVideo => {
      let [bps, value] = [0, 0];
      const layers = increments.map(([more, better]) => ({ bps: (bps += more), value: (value += better) }));
      return { importance, layers, current: (sent % (layers.length + 1)) - 1 };
    }),
  { maxLength: 30 },
);
const budget = fc.integer({ min: 0, max: 20_000_000 });

const ladder = [
  { bps: 150_000, value: 1 },
  { bps: 500_000, value: 2 },
  { bps: 1_700_000, value: 4 },
] as const;
const sameVideos = (count: number, current: number): WantedVideo[] =>
  Array.from({ length: count }, () => ({ importance: 1, layers: ladder, current }));
const withCurrent = (all: readonly WantedVideo[], chosen: readonly number[]): WantedVideo[] =>
  all.map((video, at) => ({ ...video, current: chosen[at]! }));

describe('the allocation of a budget', () => {
  test('is never above the budget, and takes no layer that is not wanted', () => {
    fc.assert(
      fc.property(
        budget,
        videos,
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (bps, all, mayIncrease, margin) => {
          const chosen = allocate(bps, all, { mayIncrease, margin });
          expect(costOf(all, chosen)).toBeLessThanOrEqual(bps);
          for (const [at, layer] of chosen.entries()) expect(all[at]!.layers.length).toBeGreaterThan(layer);
        },
      ),
    );
  });

  test('is the same for the same input', () => {
    fc.assert(
      fc.property(budget, videos, (bps, all) => {
        expect(allocate(bps, all, increase)).toEqual(allocate(bps, structuredClone(all), increase));
      }),
    );
  });

  test('raises nothing unless it may', () => {
    fc.assert(
      fc.property(budget, videos, (bps, all) => {
        for (const [at, layer] of allocate(bps, all, hold).entries())
          expect(layer).toBeLessThanOrEqual(Math.max(paused, all[at]!.current));
      }),
    );
  });

  test('gives every video its lowest layer before any gets a second one', () => {
    fc.assert(
      fc.property(budget, videos, (bps, all) => {
        const chosen = allocate(
          bps,
          withCurrent(
            all,
            all.map(() => paused),
          ),
          increase,
        );
        if (!chosen.some((layer) => layer > 0)) return;
        const spare = chosen.reduce(
          (sum, layer, at) => sum + (layer > 0 ? all[at]!.layers[layer]!.bps - all[at]!.layers[0]!.bps : 0),
          0,
        );
        // What is paused would not have fitted in place of the further layers.
        const left = bps - costOf(all, chosen);
        for (const [at, layer] of chosen.entries())
          if (layer === paused) expect(all[at]!.layers[0]!.bps).toBeGreaterThan(left + spare);
      }),
    );
  });

  test('of videos with the same layers pauses none that is more important than one that is sent', () => {
    fc.assert(
      fc.property(budget, fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 30 }), (bps, importances) => {
        const all = importances.map((importance) => ({ importance, layers: ladder, current: paused }));
        const chosen = allocate(bps, all, increase);
        for (const [one, important] of importances.entries())
          for (const [other, lesser] of importances.entries())
            if (important > lesser && chosen[other] !== paused) expect(chosen[one]).not.toBe(paused);
      }),
    );
  });

  test('shows no fewer videos with the same layers when the budget is larger', () => {
    fc.assert(
      fc.property(budget, budget, fc.integer({ min: 0, max: 30 }), (one, other, count) => {
        const all = sameVideos(count, paused);
        const shown = (bps: number): number => allocate(bps, all, increase).filter((layer) => layer !== paused).length;
        expect(shown(Math.max(one, other))).toBeGreaterThanOrEqual(shown(Math.min(one, other)));
      }),
    );
  });

  test('of any videos prefers the more important ones with a larger budget', () => {
    fc.assert(
      fc.property(budget, budget, videos, (one, other, all) => {
        const fresh = withCurrent(
          all,
          all.map(() => paused),
        );
        const order = [...fresh.keys()].sort((a, b) => fresh[b]!.importance - fresh[a]!.importance || a - b);
        const shown = (bps: number): string => {
          const chosen = allocate(bps, fresh, increase);
          return order.map((at) => (chosen[at] === paused ? '0' : '1')).join('');
        };
        // As numbers, the most important video first.
        expect(shown(Math.max(one, other)) >= shown(Math.min(one, other))).toBe(true);
      }),
    );
  });

  test('changes nothing any more after it was once at the highest of budgets that vary by 7 %', () => {
    const noise = fc.array(fc.double({ min: -0.069, max: 0.069, noNaN: true }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(budget, videos, noise, (bps, all, deviations) => {
        const options = { mayIncrease: true, margin: 0.15 };
        const highest = bps * 1.069;
        const lowest = bps * 0.931;
        // Settled: it fits into the lowest, and the highest changes nothing.
        let chosen = allocate(lowest, all, options);
        chosen = allocate(highest, withCurrent(all, chosen), options);
        for (const deviation of deviations)
          expect(allocate(bps * (1 + deviation), withCurrent(all, chosen), options)).toEqual(chosen);
      }),
    );
  });

  test('gives 5,000 videos their lowest layer', () => {
    const many = sameVideos(5000, paused);
    expect(allocate(1e9, many, increase).filter((layer) => layer !== paused)).toHaveLength(5000);
  });

  test('prefers the step that shows more per bit', () => {
    const all: WantedVideo[] = [
      { importance: 1, layers: ladder, current: 0 },
      { importance: 4, layers: ladder, current: 0 },
    ];
    expect(allocate(700_000, all, increase)).toEqual([0, 1]);
    expect(allocate(2_000_000, all, increase)).toEqual([0, 2]);
  });

  test('exchanges a video for one that is more important', () => {
    const all: WantedVideo[] = [
      { importance: 1, layers: [ladder[0]], current: 0 },
      { importance: 2, layers: [ladder[0]], current: paused },
    ];
    expect(allocate(200_000, all, increase)).toEqual([paused, 0]);
  });
});
