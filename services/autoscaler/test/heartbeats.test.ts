import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detectLostNodes, frozenAfterMs, Heartbeats, lostAfterMs, reconnectMs } from '../src/heartbeats.ts';

interface Scenario {
  /** Arrival times of its reports, by node. */
  readonly arrivals: Readonly<Record<string, readonly number[]>>;
  readonly until: number;
}

/** The times of reports every 500 ms. */
const heartbeatTimes = (from: number, to: number): number[] => {
  const times = [];
  for (let at = from; at < to; at += 500) times.push(at);
  return times;
};

/** Checks every 50 ms. Returns when each node was first declared dead, and whether detection was ever frozen. */
function simulate({ arrivals, until }: Scenario): { lost: Map<string, number>; frozen: boolean } {
  const heartbeats = new Heartbeats(0);
  const all = Object.entries(arrivals)
    .flatMap(([id, times]) => times.map((at) => ({ id, at })))
    .sort((a, b) => a.at - b.at);
  const lost = new Map<string, number>();
  let frozen = false;
  for (let now = 0; now <= until; now += 50) {
    while (all[0] && all[0].at <= now) heartbeats.record([all.shift()!.id], now);
    const report = detectLostNodes(heartbeats, now);
    if (now > reconnectMs) frozen ||= report.frozen;
    for (const id of report.lost) if (!lost.has(id)) lost.set(id, now);
  }
  return { lost, frozen };
}

describe('failure detection', () => {
  test("a node is declared dead within a second of its last heartbeat while others' heartbeats arrive", () => {
    const { lost, frozen } = simulate({
      arrivals: {
        nd_a: heartbeatTimes(0, 20_000),
        nd_b: heartbeatTimes(150, 10_200),
        nd_c: heartbeatTimes(300, 20_000),
        nd_d: heartbeatTimes(420, 20_000),
      },
      until: 20_000,
    });
    expect([...lost.keys()]).toEqual(['nd_b']);
    expect(lost.get('nd_b')! - 10_150).toBeLessThanOrEqual(1000);
    expect(frozen).toBe(false);
  });

  test('no node is declared dead when all heartbeats stop, whatever their order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 499 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 10_000, max: 12_000 }),
        (phases, end) => {
          const arrivals = Object.fromEntries(
            phases.map((phase, index) => [`nd_${index}`, heartbeatTimes(phase, end)]),
          );
          const { lost, frozen } = simulate({ arrivals, until: 30_000 });
          expect([...lost]).toEqual([]);
          expect(frozen).toBe(true);
        },
      ),
    );
  });

  test('after an interruption of all heartbeats, only a node that does not report again is declared dead', () => {
    const back = (from: number) => [...heartbeatTimes(0, 10_000), ...heartbeatTimes(from, 60_000)];
    const { lost } = simulate({
      arrivals: { nd_a: back(40_000), nd_b: back(42_000), nd_c: heartbeatTimes(100, 10_000) },
      until: 60_000,
    });
    expect([...lost.keys()]).toEqual(['nd_c']);
    expect(lost.get('nd_c')!).toBeGreaterThanOrEqual(40_000 + reconnectMs);
  });

  test('a late heartbeat is tolerated', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 180 }), { minLength: 60, maxLength: 60 }), (late) => {
        const jittered = (phase: number, skip: number) =>
          heartbeatTimes(phase, 15_000).map((at, index) => at + late[(index + skip) % late.length]!);
        const { lost } = simulate({ arrivals: { nd_a: jittered(0, 0), nd_b: jittered(250, 7) }, until: 14_000 });
        expect([...lost]).toEqual([]);
      }),
    );
  });

  test('the only node of a fleet is never declared dead, and a node that reports again is alive', () => {
    const alone = simulate({ arrivals: { nd_a: heartbeatTimes(0, 10_000) }, until: 30_000 });
    expect([...alone.lost]).toEqual([]);
    const heartbeats = new Heartbeats(0);
    heartbeats.record(['nd_a', 'nd_b'], 0);
    for (let at = 500; at <= 8000; at += 500) heartbeats.record(['nd_a'], at);
    expect(detectLostNodes(heartbeats, 8000).lost).toEqual(['nd_b']);
    heartbeats.record(['nd_b'], 8100);
    expect(detectLostNodes(heartbeats, 8200).lost).toEqual([]);
  });

  test('delayed reports of one node that arrive at once are no evidence against the others', () => {
    const heartbeats = new Heartbeats(0);
    for (let at = 0; at <= 8000; at += 500) heartbeats.record(['nd_a', 'nd_b'], at);
    // This process was stopped; the first batch after it has one node's reports only.
    heartbeats.record(['nd_a'], 30_000);
    expect(detectLostNodes(heartbeats, 30_000)).toEqual({ frozen: false, lost: [] });
    expect(detectLostNodes(heartbeats, 30_000 + frozenAfterMs).frozen).toBe(true);
    expect(lostAfterMs).toBeLessThan(frozenAfterMs);
  });
});
