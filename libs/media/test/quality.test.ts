import { PeerQuality, type QualityGroup } from '@flotilla/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PeerMeter } from '../src/quality/peer-meter.ts';
import { RttBaseline } from '../src/quality/rtt-baseline.ts';
import { groupOf, hysteresis, moveBelow, type NetworkConditions, score, stableFrom } from '../src/quality/score.ts';
import { ScoreSmoother } from '../src/quality/smoothing.ts';
import { conditionsOf, type StreamCounters, streamWindow } from '../src/quality/window.ts';

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const conditions: fc.Arbitrary<NetworkConditions> = fc.record({
  loss: number(0, 1),
  rttMs: number(0, 10_000),
  jitterMs: number(0, 10_000),
});
const groups = fc.constantFrom<QualityGroup>('stable', 'watch', 'move');
const anyScore = number(0, 1);

describe('score', () => {
  test.each([
    [{ loss: 0, rttMs: 0, jitterMs: 0 }, 1],
    [{ loss: 1, rttMs: 500, jitterMs: 100 }, 0],
    [{ loss: 0.05, rttMs: 100, jitterMs: 20 }, 0.86],
    [{ loss: 0.5, rttMs: 5000, jitterMs: 0 }, 0.5],
  ])('of %o it is %d', (of, expected) => expect(score(of)).toBeCloseTo(expected, 10));

  test('it is between 0 and 1, and falls with each of loss, round trip and jitter', () => {
    fc.assert(
      fc.property(conditions, conditions, (one, other) => {
        expect(score(one)).toBeGreaterThanOrEqual(-1e-12);
        expect(score(one)).toBeLessThanOrEqual(1);
        const worse = {
          loss: Math.max(one.loss, other.loss),
          rttMs: Math.max(one.rttMs, other.rttMs),
          jitterMs: Math.max(one.jitterMs, other.jitterMs),
        };
        expect(score(worse)).toBeLessThanOrEqual(score(one) + 1e-12);
      }),
    );
  });
});

describe('groupOf', () => {
  test('stable peers have at least 0.85, peers below 0.6 are in move, and scores beyond the hysteresis need no history', () => {
    fc.assert(
      fc.property(anyScore, groups, (value, before) => {
        const group = groupOf(value, before);
        if (group === 'stable') expect(value).toBeGreaterThanOrEqual(stableFrom);
        if (value < moveBelow) expect(group).toBe('move');
        if (value >= stableFrom + hysteresis) expect(group).toBe('stable');
        if (value >= moveBelow + hysteresis) expect(group).not.toBe('move');
      }),
    );
  });

  test('a score that swings by less than the hysteresis changes its group once at most', () => {
    fc.assert(
      fc.property(
        anyScore,
        fc.array(number(0, hysteresis * 0.999), { minLength: 2 }),
        groups,
        (base, swings, first) => {
          let group = first;
          const groupsSeen: QualityGroup[] = [];
          for (const swing of swings) groupsSeen.push((group = groupOf(Math.min(1, base + swing), group)));
          const changes = groupsSeen.filter((each, index) => index > 0 && each !== groupsSeen[index - 1]).length;
          expect(changes).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

const bands: Record<QualityGroup, [number, number]> = {
  stable: [stableFrom + hysteresis, 1],
  watch: [moveBelow + hysteresis, stableFrom - 1e-9],
  move: [0, moveBelow - 1e-9],
};

/** The groups that a series of scores gives, sample by sample. */
function groupsOf(samples: readonly number[]): QualityGroup[] {
  const smoother = new ScoreSmoother();
  let group: QualityGroup = 'stable';
  return samples.map((sample) => (group = groupOf(smoother.add(sample), group)));
}

describe('ScoreSmoother', () => {
  test('one sample of any value does not change the group that the others give', () => {
    fc.assert(
      fc.property(
        groups.chain((group) =>
          fc.record({
            group: fc.constant(group),
            samples: fc.array(number(...bands[group]), { minLength: 2, maxLength: 40 }),
            bad: anyScore,
            at: fc.nat(39),
          }),
        ),
        ({ group, samples, bad, at }) => {
          // The mean starts at 1: enough samples to reach the band.
          const settling = Array.from({ length: 40 }, () => (bands[group][0] + bands[group][1]) / 2);
          const index = at % samples.length;
          const seen = groupsOf([...settling, ...samples.with(index, bad)]).slice(settling.length);
          expect(new Set(seen)).toEqual(new Set([group]));
        },
      ),
    );
  });

  test('the first sample of a peer does not change its group', () => {
    fc.assert(
      fc.property(anyScore, fc.array(number(...bands.stable), { maxLength: 20 }), (bad, rest) => {
        expect(new Set(groupsOf([bad, ...rest]))).toEqual(new Set(['stable']));
      }),
    );
  });

  test('five bad samples in a row put a peer in move, whatever the samples before', () => {
    fc.assert(
      fc.property(fc.array(anyScore, { maxLength: 20 }), number(0, 0.4), (before, bad) => {
        expect(groupsOf([...before, ...Array.from({ length: 5 }, () => bad)]).at(-1)).toBe('move');
      }),
    );
  });

  test('the mean stays between the lowest sample and 1', () => {
    fc.assert(
      fc.property(fc.array(anyScore, { minLength: 1 }), (samples) => {
        const smoother = new ScoreSmoother();
        const low = Math.min(...samples);
        for (const sample of samples) {
          const value = smoother.add(sample);
          expect(value).toBeGreaterThanOrEqual(low - 1e-12);
          expect(value).toBeLessThanOrEqual(1 + 1e-12);
        }
      }),
    );
  });
});

function baselineOf(rtts: readonly number[]): number {
  const baseline = new RttBaseline();
  for (const rtt of rtts) baseline.add(rtt);
  return baseline.valueMs;
}

describe('RttBaseline', () => {
  test('a constant round trip is its own baseline', () => {
    fc.assert(
      fc.property(number(0.1, 5000), fc.integer({ min: 1, max: 200 }), (rtt, times) => {
        expect(baselineOf(Array.from({ length: times }, () => rtt))).toBeCloseTo(rtt, 9);
      }),
    );
  });

  test('it stays within the measurements, and spikes of one sample in ten do not change it', () => {
    fc.assert(
      fc.property(fc.array(number(1, 5000), { minLength: 1, maxLength: 100 }), (rtts) => {
        expect(baselineOf(rtts)).toBeGreaterThanOrEqual(Math.min(...rtts) - 1e-9);
        expect(baselineOf(rtts)).toBeLessThanOrEqual(Math.max(...rtts) + 1e-9);
        const spiked = Array.from({ length: 100 }, (_, index) => (index % 10 === 9 ? 20 + rtts[0]! : 20));
        expect(baselineOf(spiked)).toBeCloseTo(20, 9);
      }),
    );
  });

  test('a round trip that trebles stays above the baseline for half a minute at least', () => {
    const rtts = [...Array.from({ length: 60 }, () => 20), ...Array.from({ length: 60 }, () => 60)];
    expect(baselineOf(rtts)).toBeLessThan(30);
    // After minutes it is the new baseline.
    expect(baselineOf([...rtts, ...Array.from({ length: 2000 }, () => 60)])).toBeGreaterThan(59);
  });
});

const counters = (more: Partial<StreamCounters> = {}): StreamCounters => ({
  packets: 0,
  fractionLost: 0,
  jitter: 0,
  clockRate: 90_000,
  rttMs: 0,
  ...more,
});

describe('windows', () => {
  test('a stream window has loss as a fraction of the expected packets, and jitter in milliseconds by the clock of its codec', () => {
    const [before, now] = [counters({ packets: 100 }), counters({ packets: 175, fractionLost: 64, jitter: 900 })];
    expect(streamWindow(before, now)).toEqual({ expected: 100, lost: 25, jitterMs: 10, rttMs: undefined });
    expect(streamWindow(before, { ...now, clockRate: 48_000 })).toMatchObject({ jitterMs: 18.75 });
  });

  test('an idle stream has no window, and a restarted stream is not compared with the previous one', () => {
    const resting = counters({ packets: 100, fractionLost: 255, jitter: 90_000, rttMs: 900 });
    expect(streamWindow(resting, resting)).toBeUndefined();
    expect(streamWindow(counters({ packets: 1000 }), counters({ packets: 10 }))).toMatchObject({ expected: 10 });
  });

  test('the conditions of a peer are those of the worse direction', () => {
    const stream = (lost: number, jitterMs: number, rttMs?: number) => ({ expected: 100, lost, jitterMs, rttMs });
    expect(conditionsOf({ up: [stream(10, 5, 40)], down: [stream(20, 2, 60), stream(0, 2, 50)] })).toEqual({
      loss: 0.1,
      jitterMs: 5,
      rttMs: 50,
    });
  });

  test('the uplink loss of a publisher does not count for its subscribers', () => {
    const received = { expected: 100, lost: 30, jitterMs: 0, rttMs: 20 };
    expect(conditionsOf({ up: [], down: [received], downLoss: 0.01 })).toMatchObject({ loss: 0.01 });
  });
});

describe('PeerMeter', () => {
  const ids = { sessionId: 'ss_a', participantId: 'pt_a', roomId: 'rm_a' };
  const bad = { up: [{ expected: 100, lost: 60, jitterMs: 200, rttMs: 800 }], down: [] };
  const good = { up: [{ expected: 100, lost: 0, jitterMs: 2, rttMs: 20 }], down: [] };
  const idle = { up: [], down: [] };
  const after = (...windows: (typeof bad | typeof idle)[]): PeerQuality => {
    const meter = new PeerMeter(ids);
    return windows.map((window) => meter.add(window)).at(-1)!;
  };

  test('a peer without media has score 1', () => {
    expect(after(idle, idle)).toEqual({
      ...ids,
      score: 1,
      group: 'stable',
      loss: 0,
      rttMs: 0,
      jitterMs: 0,
      baselineRttMs: 0,
    });
  });

  test('a peer that stays bad is in move with the figures of the newest window, and recovers when it stops sending', () => {
    const worst = after(good, good, ...Array.from({ length: 6 }, () => bad));
    expect(worst).toMatchObject({ group: 'move', loss: 0.6, rttMs: 800, jitterMs: 200 });
    expect(worst.baselineRttMs).toBeLessThan(30);
    expect(after(...Array.from({ length: 6 }, () => bad), ...Array.from({ length: 20 }, () => idle)).group).toBe(
      'stable',
    );
  });

  test('any counters give valid figures', () => {
    const wild = fc.record({
      packets: fc.nat(),
      fractionLost: fc.integer({ min: -5, max: 300 }),
      jitter: number(0, 1e9),
      clockRate: fc.constantFrom(0, 8000, 48_000, 90_000),
      rttMs: fc.option(number(0, 1e6), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(wild, wild), { maxLength: 20 }), (looks) => {
        const meter = new PeerMeter(ids);
        for (const [before, now] of looks) {
          const window = streamWindow(before, now);
          const quality = meter.add({ up: window ? [window] : [], down: [] });
          expect(PeerQuality.safeParse(quality)).toMatchObject({ success: true });
        }
      }),
    );
  });
});
