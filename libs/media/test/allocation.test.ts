import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate, costOf, type WantedVideo } from '../src/allocation/allocate.ts';

const increase = { mayIncrease: true, margin: 0 } as const;
const hold = { mayIncrease: false, margin: 0 } as const;

/** Videos of any bit rate, some of which have videos with layers before them. */
const videos = fc
  .tuple(
    fc.array(
      fc.record({
        importance: fc.integer({ min: 1, max: 255 }),
        bps: fc.integer({ min: 0, max: 2_000_000 }),
        isSent: fc.boolean(),
      }),
      { maxLength: 30 },
    ),
    fc.array(fc.record({ importance: fc.integer({ min: 1, max: 255 }), bps: fc.integer({ min: 0, max: 200_000 }) }), {
      maxLength: 10,
    }),
  )
  .map(([single, layered]): WantedVideo[] =>
    single.map((video) => ({
      ...video,
      ahead: layered.reduce((sum, { importance, bps }) => sum + (importance > video.importance ? bps : 0), 0),
    })),
  );
const budget = fc.integer({ min: 0, max: 20_000_000 });

const video = (importance: number, { bps = 150_000, ahead = 0, isSent = false } = {}): WantedVideo => ({
  ...{ importance, bps, ahead, isSent },
});
const sending = (all: readonly WantedVideo[], chosen: readonly boolean[]): WantedVideo[] =>
  all.map((each, at) => ({ ...each, isSent: chosen[at]! }));
const paused = (all: readonly WantedVideo[]): WantedVideo[] => all.map((each) => ({ ...each, isSent: false }));

describe('the allocation of a budget', () => {
  test('is never above the budget', () => {
    fc.assert(
      fc.property(
        budget,
        videos,
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (bps, all, mayIncrease, margin) => {
          const chosen = allocate(bps, all, { mayIncrease, margin });
          if (chosen.includes(true)) expect(costOf(all, chosen)).toBeLessThanOrEqual(bps);
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

  test('adds nothing unless it may', () => {
    fc.assert(
      fc.property(budget, videos, (bps, all) => {
        for (const [at, isSent] of allocate(bps, all, hold).entries()) if (isSent) expect(all[at]!.isSent).toBe(true);
      }),
    );
  });

  test('of videos of the same bit rate leaves out none that is more important than one that is sent', () => {
    fc.assert(
      fc.property(budget, fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 30 }), (bps, importances) => {
        const chosen = allocate(
          bps,
          importances.map((importance) => video(importance)),
          increase,
        );
        for (const [one, important] of importances.entries())
          for (const [other, lesser] of importances.entries())
            if (important > lesser && chosen[other]) expect(chosen[one]).toBe(true);
      }),
    );
  });

  test('of any videos prefers the more important ones with a larger budget', () => {
    fc.assert(
      fc.property(budget, budget, videos, (one, other, all) => {
        const fresh = paused(all);
        const order = [...fresh.keys()].sort((a, b) => fresh[b]!.importance - fresh[a]!.importance || a - b);
        const sent = (bps: number): string => {
          const chosen = allocate(bps, fresh, increase);
          return order.map((at) => (chosen[at] ? '1' : '0')).join('');
        };
        // As numbers, the most important video first.
        expect(sent(Math.max(one, other)) >= sent(Math.min(one, other))).toBe(true);
      }),
    );
  });

  test('changes nothing any more after it was once at the highest of budgets that vary by 7 %', () => {
    const noise = fc.array(fc.double({ min: -0.069, max: 0.069, noNaN: true }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(budget, videos, noise, (bps, all, deviations) => {
        const options = { mayIncrease: true, margin: 0.15 };
        // Settled: it fits into the lowest, and the highest changes nothing.
        let chosen = allocate(bps * 0.931, all, options);
        chosen = allocate(bps * 1.069, sending(all, chosen), options);
        for (const deviation of deviations)
          expect(allocate(bps * (1 + deviation), sending(all, chosen), options)).toEqual(chosen);
      }),
    );
  });

  test('sends 5,000 videos', () => {
    const many = Array.from({ length: 5000 }, () => video(1));
    expect(allocate(1e9, many, increase)).not.toContain(false);
  });

  test('exchanges a video for one that is more important', () => {
    expect(allocate(200_000, [video(1, { isSent: true }), video(2)], increase)).toEqual([false, true]);
  });

  test('has the layers of more important videos before a video, and those of less important ones behind it', () => {
    const all = [video(4), video(1, { ahead: 300_000 })];
    expect(allocate(400_000, all, increase)).toEqual([true, false]);
    expect(allocate(600_000, all, increase)).toEqual([true, true]);
  });
});
