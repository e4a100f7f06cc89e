import { plannerSettings } from '@flotilla/autoscaler';
import { summarize } from '@flotilla/loadtest-kit';
import { describe, expect, test } from 'vitest';
import { simulate, wholeDay } from '../src/simulation.ts';

// The whole day: npm run bench:planner.
describe('planner simulation of 200 nodes and 20,000 peers, from 9 to 11', { timeout: 120_000 }, () => {
  const result = simulate({ ...wholeDay, from: 9, hours: 2 });

  test('has migrations of every reason', () => {
    expect(result.peerHours).toBeGreaterThan(25_000);
    for (const reason of ['node_load', 'quality', 'rtt', 'drain', 'node_lost'])
      expect(result.moves[reason], reason).toBeGreaterThan(0);
  });

  test('violates no rule on capacity, targets, concurrency, cool-down and returns', () => {
    expect(result.violations).toEqual([]);
  });

  test('rebalances hot nodes within 60 s, empties drained nodes within 180 s and dead nodes within 60 s', () => {
    expect(summarize(result.hotSeconds).max).toBeLessThanOrEqual(60);
    expect(summarize(result.drainSeconds).max).toBeLessThanOrEqual(180);
    expect(summarize(result.lostSeconds).max).toBeLessThanOrEqual(60);
  });

  test('moves less than 0.2 peers per peer hour', () => {
    console.log(
      `moves per peer and hour: ${result.movesPerPeerHour.toFixed(3)}, of one peer at most ${result.mostMovesOfAPeer}`,
    );
    expect(result.movesPerPeerHour).toBeLessThan(0.2);
    expect(result.mostMovesOfAPeer).toBeLessThan(10);
    // 5 % of the peers have a bad access network; a few are moved because their node is degraded too.
    expect(result.noisyMoved).toBeLessThan(50);
  });

  test.each([
    ['moves again after', 3, { coolDownMs: 0 }],
    ['returns to', 3, { noReturnMs: 0, coolDownMs: 0, gain: 0, faultShare: 0, faultForMs: 0, faultPeers: 1 }],
    ['which is at', 3, { targetCpu: 1.1, hotCpu: 0.6, coolCpu: 0.5 }],
    ['at once from', 3, { fromAtOnce: 50 }],
    ['at once to', 12, { fromAtOnce: 50, toAtOnce: 50 }],
  ])('a planner with relaxed settings violates the rule "%s"', (rule, hours, settings) => {
    const { violations } = simulate(
      { ...wholeDay, nodes: 25, peers: 2500, from: 9, hours },
      { ...plannerSettings, ...settings },
    );
    expect(violations.some((each) => each.includes(rule))).toBe(true);
  });

  test('the same seed gives the same migrations', () => {
    const short = { ...wholeDay, hours: 1, nodes: 20, peers: 1500, from: 10, seed: 7 };
    expect(simulate(short).moves).toEqual(simulate(short).moves);
  });
});
