import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frozenAfterMs, Heartbeats, judge, lostAfterMs, reunionMs } from '../src/heartbeats.ts';

interface Story {
  /** Node -> when its reports arrive. */
  readonly arrivals: Readonly<Record<string, readonly number[]>>;
  readonly until: number;
}

/** Reports from one time to another, every 500 ms. */
const beats = (from: number, to: number): number[] => {
  const times = [];
  for (let at = from; at < to; at += 500) times.push(at);
  return times;
};

/** When each node was first held to be lost, looking every 50 ms, and whether decisions were ever frozen. */
function live({ arrivals, until }: Story): { lost: Map<string, number>; frozen: boolean } {
  const heartbeats = new Heartbeats(0);
  const all = Object.entries(arrivals)
    .flatMap(([id, times]) => times.map((at) => ({ id, at })))
    .sort((a, b) => a.at - b.at);
  const lost = new Map<string, number>();
  let frozen = false;
  for (let now = 0; now <= until; now += 50) {
    while (all[0] && all[0].at <= now) heartbeats.heard([all.shift()!.id], now);
    const verdict = judge(heartbeats, now);
    if (now > reunionMs) frozen ||= verdict.frozen;
    for (const id of verdict.lost) if (!lost.has(id)) lost.set(id, now);
  }
  return { lost, frozen };
}

describe('node death', () => {
  test('is seen within a second of the last heartbeat, while others are heard', () => {
    const { lost, frozen } = live({
      arrivals: {
        nd_a: beats(0, 20_000),
        nd_b: beats(150, 10_200),
        nd_c: beats(300, 20_000),
        nd_d: beats(420, 20_000),
      },
      until: 20_000,
    });
    expect([...lost.keys()]).toEqual(['nd_b']);
    expect(lost.get('nd_b')! - 10_150).toBeLessThanOrEqual(1000);
    expect(frozen).toBe(false);
  });

  test('when all fall silent nobody is dead, in whatever order they were due', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 499 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 10_000, max: 12_000 }),
        (phases, end) => {
          const arrivals = Object.fromEntries(phases.map((phase, index) => [`nd_${index}`, beats(phase, end)]));
          const { lost, frozen } = live({ arrivals, until: 30_000 });
          expect([...lost]).toEqual([]);
          expect(frozen).toBe(true);
        },
      ),
    );
  });

  test('after a silence of all, those who come back a little later are not dead; those who do not are', () => {
    const back = (from: number) => [...beats(0, 10_000), ...beats(from, 60_000)];
    const { lost } = live({
      arrivals: { nd_a: back(40_000), nd_b: back(42_000), nd_c: beats(100, 10_000) },
      until: 60_000,
    });
    expect([...lost.keys()]).toEqual(['nd_c']);
    expect(lost.get('nd_c')!).toBeGreaterThanOrEqual(40_000 + reunionMs);
  });

  test('one late heartbeat is forgiven', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 180 }), { minLength: 60, maxLength: 60 }), (late) => {
        const jittered = (phase: number, skip: number) =>
          beats(phase, 15_000).map((at, index) => at + late[(index + skip) % late.length]!);
        const { lost } = live({ arrivals: { nd_a: jittered(0, 0), nd_b: jittered(250, 7) }, until: 14_000 });
        expect([...lost]).toEqual([]);
      }),
    );
  });

  test("a fleet's only node is never dead, and one that is heard again is alive", () => {
    const alone = live({ arrivals: { nd_a: beats(0, 10_000) }, until: 30_000 });
    expect([...alone.lost]).toEqual([]);
    const heartbeats = new Heartbeats(0);
    heartbeats.heard(['nd_a', 'nd_b'], 0);
    for (let at = 500; at <= 8000; at += 500) heartbeats.heard(['nd_a'], at);
    expect(judge(heartbeats, 8000).lost).toEqual(['nd_b']);
    heartbeats.heard(['nd_b'], 8100);
    expect(judge(heartbeats, 8200).lost).toEqual([]);
  });

  test('reports that waited somewhere and arrive at once do not condemn those behind them', () => {
    const heartbeats = new Heartbeats(0);
    for (let at = 0; at <= 8000; at += 500) heartbeats.heard(['nd_a', 'nd_b'], at);
    // This process was stopped; the first batch after it has one node's reports only.
    heartbeats.heard(['nd_a'], 30_000);
    expect(judge(heartbeats, 30_000)).toEqual({ frozen: false, lost: [] });
    expect(judge(heartbeats, 30_000 + frozenAfterMs).frozen).toBe(true);
    expect(lostAfterMs).toBeLessThan(frozenAfterMs);
  });
});
