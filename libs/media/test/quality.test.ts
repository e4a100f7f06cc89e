import { PeerQuality, type QualityGroup } from '@flotilla/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PeerMeter } from '../src/quality/peer-meter.ts';
import { RttBaseline } from '../src/quality/rtt-baseline.ts';
import { groupOf, hysteresis, moveBelow, score, stableFrom, type Travel } from '../src/quality/score.ts';
import { ScoreSmoother } from '../src/quality/smoothing.ts';
import { type StreamCounters, streamWindow, travelOf } from '../src/quality/window.ts';

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const travel: fc.Arbitrary<Travel> = fc.record({
  loss: number(0, 1),
  rttMs: number(0, 10_000),
  jitterMs: number(0, 10_000),
});
const groups = fc.constantFrom<QualityGroup>('stable', 'watch', 'move');
const anyScore = number(0, 1);

describe('the score', () => {
  test.each([
    [{ loss: 0, rttMs: 0, jitterMs: 0 }, 1],
    [{ loss: 1, rttMs: 500, jitterMs: 100 }, 0],
    [{ loss: 0.05, rttMs: 100, jitterMs: 20 }, 0.86],
    [{ loss: 0.5, rttMs: 5000, jitterMs: 0 }, 0.5],
  ])('of %o is %d', (of, expected) => expect(score(of)).toBeCloseTo(expected, 10));

  test('is between 0 and 1, and falls with each of loss, round trip and jitter', () => {
    fc.assert(
      fc.property(travel, travel, (one, other) => {
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

describe('groups', () => {
  test('whoever is stable has 0.85, whoever has less than 0.6 is to move, and clear cases need no history', () => {
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
          const seen: QualityGroup[] = [];
          for (const swing of swings) seen.push((group = groupOf(Math.min(1, base + swing), group)));
          const changes = seen.filter((each, index) => index > 0 && each !== seen[index - 1]).length;
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

describe('smoothing', () => {
  test('one sample of any value moves nobody, wherever the others keep the peer', () => {
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
          // Long enough in its band to be there: the mean begins at 1.
          const settling = Array.from({ length: 40 }, () => (bands[group][0] + bands[group][1]) / 2);
          const index = at % samples.length;
          const seen = groupsOf([...settling, ...samples.with(index, bad)]).slice(settling.length);
          expect(new Set(seen)).toEqual(new Set([group]));
        },
      ),
    );
  });

  test('nor does the very first sample of a peer', () => {
    fc.assert(
      fc.property(anyScore, fc.array(number(...bands.stable), { maxLength: 20 }), (bad, rest) => {
        expect(new Set(groupsOf([bad, ...rest]))).toEqual(new Set(['stable']));
      }),
    );
  });

  test('a peer that is bad from now on is to move within five samples, whatever it was', () => {
    fc.assert(
      fc.property(fc.array(anyScore, { maxLength: 20 }), number(0, 0.4), (before, bad) => {
        expect(groupsOf([...before, ...Array.from({ length: 5 }, () => bad)]).at(-1)).toBe('move');
      }),
    );
  });

  test('the mean stays within what was seen', () => {
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

describe('the baseline of the round trip', () => {
  test('is the round trip where that is constant', () => {
    fc.assert(
      fc.property(number(0.1, 5000), fc.integer({ min: 1, max: 200 }), (rtt, times) => {
        expect(baselineOf(Array.from({ length: times }, () => rtt))).toBeCloseTo(rtt, 9);
      }),
    );
  });

  test('stays within what was measured, and spikes of one sample in ten leave it where it is', () => {
    fc.assert(
      fc.property(fc.array(number(1, 5000), { minLength: 1, maxLength: 100 }), (rtts) => {
        expect(baselineOf(rtts)).toBeGreaterThanOrEqual(Math.min(...rtts) - 1e-9);
        expect(baselineOf(rtts)).toBeLessThanOrEqual(Math.max(...rtts) + 1e-9);
        const spiked = Array.from({ length: 100 }, (_, index) => (index % 10 === 9 ? 20 + rtts[0]! : 20));
        expect(baselineOf(spiked)).toBeCloseTo(20, 9);
      }),
    );
  });

  test('a round trip that trebles is seen as such for half a minute at least', () => {
    const rtts = [...Array.from({ length: 60 }, () => 20), ...Array.from({ length: 60 }, () => 60)];
    expect(baselineOf(rtts)).toBeLessThan(30);
    // For good it becomes the new baseline in time.
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

describe('a window', () => {
  test('has loss as a fraction of what was expected, and jitter in milliseconds by the clock of the codec', () => {
    const [before, now] = [counters({ packets: 100 }), counters({ packets: 175, fractionLost: 64, jitter: 900 })];
    expect(streamWindow(before, now)).toEqual({ expected: 100, lost: 25, jitterMs: 10, rttMs: undefined });
    expect(streamWindow(before, { ...now, clockRate: 48_000 })).toMatchObject({ jitterMs: 18.75 });
  });

  test('of a stream that rests says nothing, and a stream that begins anew is not compared with the former', () => {
    const resting = counters({ packets: 100, fractionLost: 255, jitter: 90_000, rttMs: 900 });
    expect(streamWindow(resting, resting)).toBeUndefined();
    expect(streamWindow(counters({ packets: 1000 }), counters({ packets: 10 }))).toMatchObject({ expected: 10 });
  });

  test('of a peer is the worse of its two ways', () => {
    const stream = (lost: number, jitterMs: number, rttMs?: number) => ({ expected: 100, lost, jitterMs, rttMs });
    expect(travelOf({ up: [stream(10, 5, 40)], down: [stream(20, 2, 60), stream(0, 2, 50)] })).toEqual({
      loss: 0.1,
      jitterMs: 5,
      rttMs: 50,
    });
  });

  test("does not hold a publisher's loss against those who watch", () => {
    const watched = { expected: 100, lost: 30, jitterMs: 0, rttMs: 20 };
    expect(travelOf({ up: [], down: [watched], downLoss: 0.01 })).toMatchObject({ loss: 0.01 });
  });
});

describe('a peer', () => {
  const ids = { sessionId: 'ss_a', participantId: 'pt_a', roomId: 'rm_a' };
  const bad = { up: [{ expected: 100, lost: 60, jitterMs: 200, rttMs: 800 }], down: [] };
  const good = { up: [{ expected: 100, lost: 0, jitterMs: 2, rttMs: 20 }], down: [] };
  const idle = { up: [], down: [] };
  const after = (...windows: (typeof bad | typeof idle)[]): PeerQuality => {
    const meter = new PeerMeter(ids);
    return windows.map((window) => meter.add(window)).at(-1)!;
  };

  test('without media fares well', () => {
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

  test('is to move when it is bad for long, with the figures of the newest window, and recovers when it falls silent', () => {
    const worst = after(good, good, ...Array.from({ length: 6 }, () => bad));
    expect(worst).toMatchObject({ group: 'move', loss: 0.6, rttMs: 800, jitterMs: 200 });
    expect(worst.baselineRttMs).toBeLessThan(30);
    expect(after(...Array.from({ length: 6 }, () => bad), ...Array.from({ length: 20 }, () => idle)).group).toBe(
      'stable',
    );
  });

  test('has valid figures whatever the counters say', () => {
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
