import { plannerSettings } from '@flotilla/autoscaler';
import { summarize } from '@flotilla/loadtest-kit';
import { describe, expect, test } from 'vitest';
import { simulate, wholeDay } from '../src/simulation.ts';

// The whole day: npm run bench:planner.
describe('200 nodes and 20,000 peers under the planner, from 9 to 11', () => {
  const result = simulate({ ...wholeDay, from: 9, hours: 2 });

  test('has something to do, of every kind', () => {
    expect(result.peerHours).toBeGreaterThan(25_000);
    for (const reason of ['node_load', 'quality', 'rtt', 'drain', 'node_lost'])
      expect(result.moves[reason], reason).toBeGreaterThan(0);
  });

  test('breaks no rule: capacity, targets, bounds, cool-down, no way back', () => {
    expect(result.violations).toEqual([]);
  });

  test('hot nodes cool down, drained nodes are empty, the peers of dead ones are elsewhere, each in bounded time', () => {
    expect(summarize(result.hotSeconds).max).toBeLessThanOrEqual(60);
    expect(summarize(result.drainSeconds).max).toBeLessThanOrEqual(180);
    expect(summarize(result.lostSeconds).max).toBeLessThanOrEqual(60);
  });

  test('moves nobody much', () => {
    console.log(
      `moves per peer and hour: ${result.movesPerPeerHour.toFixed(3)}, of one peer at most ${result.mostMovesOfAPeer}`,
    );
    expect(result.movesPerPeerHour).toBeLessThan(0.2);
    expect(result.mostMovesOfAPeer).toBeLessThan(10);
    // Bad access networks are 5 % of all; being on a node that is bad too moves a few.
    expect(result.noisyMoved).toBeLessThan(50);
  });

  test.each([
    ['moves again after', 3, { coolDownMs: 0 }],
    ['returns to', 3, { noReturnMs: 0, coolDownMs: 0, gain: 0, faultShare: 0, faultForMs: 0, faultPeers: 1 }],
    ['which is at', 3, { targetCpu: 1.1, hotCpu: 0.6, coolCpu: 0.5 }],
    ['at once from', 3, { fromAtOnce: 50 }],
    ['at once to', 12, { fromAtOnce: 50, toAtOnce: 50 }],
  ])('a planner that does not keep a rule is found out: %s', (rule, hours, settings) => {
    const { violations } = simulate(
      { ...wholeDay, nodes: 25, peers: 2500, from: 9, hours },
      { ...plannerSettings, ...settings },
    );
    expect(violations.some((each) => each.includes(rule))).toBe(true);
  });

  test('the same seed gives the same day', () => {
    const short = { ...wholeDay, hours: 1, nodes: 20, peers: 1500, from: 10, seed: 7 };
    expect(simulate(short).moves).toEqual(simulate(short).moves);
  });
});
