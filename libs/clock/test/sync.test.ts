import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FleetClock, SourceTimes } from '../src/sync/index.ts';
import { ClockFilter, distanceOf, offsetAt } from '../src/sync/clock-filter.ts';
import { DriftMeter } from '../src/sync/drift-meter.ts';
import { type Exchange, sampleOf } from '../src/sync/sample.ts';
import { combine, truechimers } from '../src/sync/selection.ts';
import { SlewedOffset, stepThresholdMs } from '../src/sync/slewed-offset.ts';
import { type Estimate, TimeSource } from '../src/sync/time-source.ts';

/** Uniform over the range; `fc.double` is biased towards tiny values. */
const number = (min: number, max: number) =>
  fc.integer({ min: 0, max: 2 ** 30 }).map((part) => min + (max - min) * (part / 2 ** 30));
const epochMs = 1_790_000_000_000;
/** Rounding error of a double that holds the current Unix time in ms. */
const rounding = 0.001;

/** A local clock relative to the true time. */
interface LocalClock {
  readonly ratio: number;
  readonly offsetMs: number;
}
const localOf = ({ ratio, offsetMs }: LocalClock, trueMs: number): number =>
  (trueMs - epochMs - offsetMs) / (1 + ratio);
const trueOffset = (localClock: LocalClock, localMs: number): number =>
  epochMs + localClock.offsetMs + localMs * (1 + localClock.ratio) - localMs;

interface PathDelays {
  readonly upMs: number;
  readonly serverMs: number;
  readonly downMs: number;
}
function exchangeAt(
  localClock: LocalClock,
  trueMs: number,
  { upMs, serverMs, downMs }: PathDelays,
  serverOffsetMs = 0,
): Exchange {
  return {
    t1: localOf(localClock, trueMs),
    t2: trueMs + upMs + serverOffsetMs,
    t3: trueMs + upMs + serverMs + serverOffsetMs,
    t4: localOf(localClock, trueMs + upMs + serverMs + downMs),
  };
}
const pathDelays: fc.Arbitrary<PathDelays> = fc.record({
  upMs: number(0, 50),
  serverMs: number(0, 5),
  downMs: number(0, 50),
});
const steadyClock = fc.record({ ratio: fc.constant(0), offsetMs: number(-1e6, 1e6) });
/** Within the tolerance of a quartz. */
const localClock = fc.record({ ratio: number(-90e-6, 90e-6), offsetMs: number(-1e6, 1e6) });

describe('sampleOf', () => {
  test('the error of the offset is at most half the delay, for any asymmetry of the path', () => {
    fc.assert(
      fc.property(steadyClock, pathDelays, (localClock, delays) => {
        const sample = sampleOf(exchangeAt(localClock, epochMs + 5e6, delays))!;
        expect(sample.delayMs).toBeCloseTo(delays.upMs + delays.downMs, 2);
        expect(Math.abs(sample.offsetMs - trueOffset(localClock, 0))).toBeLessThanOrEqual(
          sample.delayMs / 2 + rounding,
        );
      }),
    );
  });

  test.each([
    ['t4 before t1', { t1: 10, t2: 0, t3: 0, t4: 9 }],
    ['t3 before t2', { t1: 0, t2: 5, t3: 4, t4: 9 }],
    ['more time at the server than in total', { t1: 0, t2: 5, t3: 25, t4: 9 }],
    ['a delay above 16 s', { t1: 0, t2: 5, t3: 5, t4: 100_000 }],
    ['t2 NaN', { t1: 0, t2: Number.NaN, t3: 5, t4: 9 }],
    ['t4 infinite', { t1: 0, t2: 5, t3: 5, t4: Infinity }],
    ['a negative root delay', { t1: 0, t2: 5, t3: 5, t4: 9, rootDelayMs: -1 }],
    ['root dispersion NaN', { t1: 0, t2: 5, t3: 5, t4: 9, rootDispersionMs: Number.NaN }],
  ])('an exchange with %s is refused', (_, exchange) => {
    expect(sampleOf(exchange)).toBeUndefined();
    expect(new FleetClock().add(exchange)).toBe(false);
  });
});

const drifting = { ratio: 0, tolerance: 100e-6 };

describe('ClockFilter', () => {
  test('selects the sample with the least distance of the last eight, and the distance bounds its error', () => {
    fc.assert(
      fc.property(localClock, fc.array(pathDelays, { minLength: 1, maxLength: 30 }), (localClock, series) => {
        const filter = new ClockFilter();
        const samples = series.map((delays, index) =>
          sampleOf(exchangeAt(localClock, epochMs + index * 5000, delays))!,
        );
        for (const sample of samples) filter.add(sample);
        const nowMs = samples.at(-1)!.atMs;
        const best = filter.best(nowMs, drifting)!;
        const least = Math.min(...samples.slice(-8).map((each) => distanceOf(each, nowMs, drifting)));
        expect(distanceOf(best, nowMs, drifting)).toBe(least);
        const error = Math.abs(offsetAt(best, nowMs, drifting) - trueOffset(localClock, nowMs));
        expect(error).toBeLessThanOrEqual(least + rounding);
      }),
    );
  });
});

describe('DriftMeter', () => {
  test('the error of the drift is within its tolerance, for any path delays', () => {
    fc.assert(
      fc.property(localClock, fc.array(pathDelays, { minLength: 40, maxLength: 80 }), (localClock, series) => {
        const meter = new DriftMeter();
        for (const [index, delays] of series.entries())
          meter.add(sampleOf(exchangeAt(localClock, epochMs + index * 5000, delays))!);
        expect(Math.abs(meter.drift.ratio - localClock.ratio)).toBeLessThanOrEqual(meter.drift.tolerance);
      }),
    );
  });

  test('on a path with constant delay the tolerance is below 20 ppm after a minute', () => {
    fc.assert(
      fc.property(localClock, (localClock) => {
        const meter = new DriftMeter();
        for (let index = 0; index < 12; index++)
          meter.add(
            sampleOf(exchangeAt(localClock, epochMs + index * 5000, { upMs: 0.2, serverMs: 0.1, downMs: 0.2 }))!,
          );
        expect(meter.drift.tolerance).toBeLessThan(20e-6);
        expect(meter.drift.ratio).toBeCloseTo(localClock.ratio, 6);
      }),
    );
  });

  test('with fewer than eight samples the drift is 0 with a tolerance of 100 ppm', () => {
    const meter = new DriftMeter();
    for (const atMs of [0, 200, 400])
      meter.add(
        sampleOf(exchangeAt({ ratio: 0, offsetMs: 0 }, epochMs + atMs, { upMs: atMs / 100, serverMs: 0, downMs: 0 }))!,
      );
    expect(meter.drift).toEqual({ ratio: 0, tolerance: 100e-6 });
  });
});

const estimate = (offsetMs: number, errorBoundMs: number): Estimate => ({
  offsetMs,
  errorBoundMs,
  drift: drifting,
  samples: 8,
});
/** Truechimers: within their error bound of the true offset, which is 0. */
const truechimer = fc.tuple(number(-1, 1), number(0.01, 50)).map(([part, bound]) => estimate(part * bound, bound));
/** Falsetickers: off by more than any bound. */
const falseticker = fc
  .tuple(fc.constantFrom(-1, 1), number(200, 1e6), number(0, 90))
  .map(([side, offset, bound]) => estimate(side * offset, bound));

describe('selection', () => {
  const votes = fc
    .array(truechimer, { minLength: 1, maxLength: 6 })
    .chain((good) => fc.tuple(fc.constant(good), fc.array(falseticker, { maxLength: good.length - 1 })));

  test('never selects a falseticker while most are truechimers, and the combined error stays within its bound', () => {
    fc.assert(
      fc.property(votes, ([good, bad]) => {
        const selected = truechimers([...bad, ...good]);
        for (const each of selected) expect(good).toContain(each);
        if (selected.length === 0) return;
        const { offsetMs, errorBoundMs } = combine(selected);
        expect(Math.abs(offsetMs)).toBeLessThanOrEqual(errorBoundMs + 1e-9);
      }),
    );
  });

  test('selects all truechimers whose offsets differ by much less than their bounds', () => {
    const near = number(-0.5, 0.5).chain((offset) => number(0.5, 50).map((bound) => estimate(offset, bound)));
    const all = fc
      .array(near, { minLength: 1, maxLength: 6 })
      .chain((good) => fc.tuple(fc.constant(good), fc.array(falseticker, { maxLength: good.length - 1 })));
    fc.assert(
      fc.property(all, ([good, bad]) => {
        expect(truechimers([...bad, ...good])).toEqual(good);
      }),
    );
  });

  test('selects none when no majority agrees', () => {
    expect(truechimers([estimate(0, 1), estimate(500, 1)])).toEqual([]);
    expect(truechimers([])).toEqual([]);
  });

  test('combine gives a source with an unknown error the least weight', () => {
    const { offsetMs, errorBoundMs } = combine([estimate(0, 2), estimate(100, Infinity)]);
    expect(offsetMs).toBeLessThan(0.1);
    expect(errorBoundMs).toBe(Infinity);
    expect(combine([estimate(5, Infinity)])).toMatchObject({ offsetMs: 5, errorBoundMs: Infinity });
    expect(truechimers([estimate(5, Infinity)])).toHaveLength(1);
  });
});

describe('SlewedOffset', () => {
  const aims = fc.array(
    fc.record({
      afterMs: number(0, 20_000),
      offsetMs: fc.oneof(number(-1, 1), number(-100, 100), number(-20_000, 20_000)),
      drift: number(-500e-6, 500e-6),
    }),
    { minLength: 1, maxLength: 20 },
  );

  test('time is monotonic and runs at half speed at least, for any sequence of targets', () => {
    fc.assert(
      fc.property(aims, fc.integer({ min: 1, max: 20 }), (aims, reads) => {
        const offset = new SlewedOffset(epochMs, 5000);
        let localMs = 0;
        let last = offset.at(0);
        for (const { afterMs, offsetMs, drift } of aims) {
          for (let read = 1; read <= reads; read++) {
            const at = localMs + (afterMs * read) / reads;
            const now = at + offset.at(at);
            // Half speed, less 500 ppm of drift.
            expect(now - last).toBeGreaterThanOrEqual((afterMs / reads) * 0.499 - rounding);
            expect(now - last).toBeLessThanOrEqual((afterMs / reads) * 1.006 + rounding);
            last = now;
          }
          localMs += afterMs;
          offset.aim(epochMs + offsetMs, localMs, drift);
          const now = localMs + offset.at(localMs);
          expect(now).toBeGreaterThanOrEqual(last - rounding);
          last = now;
        }
      }),
    );
  });

  test('reaches its target at once after a step forward, over the interval for a small error, or after twice a step back', () => {
    fc.assert(
      fc.property(number(-20_000, 20_000), (errorMs) => {
        const offset = new SlewedOffset(epochMs, 5000);
        expect(offset.aim(epochMs + errorMs, 100)).toBe(Math.abs(errorMs) >= stepThresholdMs);
        const size = Math.abs(errorMs);
        const tookMs =
          errorMs >= stepThresholdMs ? 0 : errorMs > -stepThresholdMs ? Math.max(5000, size * 200) : size * 2;
        expect(offset.at(100 + tookMs)).toBeCloseTo(epochMs + errorMs, 2);
        expect(offset.remainingMs(100 + tookMs)).toBeCloseTo(0, 2);
        expect(offset.at(100) + offset.remainingMs(100)).toBeCloseTo(epochMs + errorMs, 2);
      }),
    );
  });
});

describe('TimeSource', () => {
  const quiet = { upMs: 0.2, serverMs: 0.1, downMs: 0.2 };
  const steady = { ratio: 0, offsetMs: 0 };
  function sourceWithOffsets(serverOffsets: readonly number[]): TimeSource {
    const source = new TimeSource();
    for (const [index, offset] of serverOffsets.entries())
      source.add(sampleOf(exchangeAt(steady, epochMs + index * 5000, quiet, offset))!);
    return source;
  }
  const offsetOf = (source: TimeSource): number => source.estimate(0)!.offsetMs - epochMs;

  test('follows a step of the source after three consecutive samples that agree with each other', () => {
    expect(offsetOf(sourceWithOffsets([0, 0, 0, 10_000]))).toBeCloseTo(0, 2);
    expect(offsetOf(sourceWithOffsets([0, 0, 0, 10_000, 10_000]))).toBeCloseTo(0, 2);
    expect(offsetOf(sourceWithOffsets([0, 0, 0, 10_000, 10_000, 10_000]))).toBeCloseTo(10_000, 2);
    expect(offsetOf(sourceWithOffsets([0, 0, 0, 10_000, 10_000, 0, 10_000, 10_000]))).toBeCloseTo(0, 2);
    expect(offsetOf(sourceWithOffsets([0, 0, 0, 10_000, -3000, 70_000, 5000, -9]))).toBeCloseTo(0, 2);
  });

  test('the error bound grows with the jitter of the samples', () => {
    // A path of 20 ms, whose delay is alternately all upstream and all downstream.
    const source = new TimeSource();
    for (const [index, upMs] of [20, 0, 20, 0].entries())
      source.add(sampleOf(exchangeAt(steady, epochMs + index, { upMs, serverMs: 0, downMs: 20 - upMs }))!);
    // Half the delay, and the root mean square of 0, 20, 0 and 20.
    expect(source.estimate(23)!.errorBoundMs).toBeCloseTo(10 + 0.1 + Math.sqrt((2 * 20 ** 2) / 3), 1);
  });

  test('has no estimate after eight missed polls until the next sample', () => {
    const source = sourceWithOffsets([0, 0, 0]);
    for (let poll = 1; poll < 8; poll++) source.missed();
    expect(source.estimate(0)).toBeDefined();
    source.missed();
    expect(source.estimate(0)).toBeUndefined();
    source.add(sampleOf(exchangeAt(steady, epochMs + 99_000, quiet))!);
    expect(source.estimate(0)).toBeDefined();
  });
});

describe('FleetClock', () => {
  /** Answered or lost polls, on a path with up to 50 ms of jitter in each direction. */
  const polls = fc.array(fc.option(pathDelays, { freq: 5 }), { minLength: 5, maxLength: 60 });

  test('is monotonic and its error stays within its bound, for any drift of a quartz and any path delays', () => {
    fc.assert(
      fc.property(localClock, number(-500, 500), polls, (localClock, wrongMs, polls) => {
        let localMs = localOf(localClock, epochMs);
        const clock = new FleetClock({ localNow: () => localMs, localEpochMs: trueOffset(localClock, 0) + wrongMs });
        let last = clock.now();
        for (const [index, delays] of polls.entries()) {
          const trueMs = epochMs + index * 5000;
          if (delays) {
            const exchange = exchangeAt(localClock, trueMs, delays);
            localMs = exchange.t4;
            expect(clock.add(exchange)).toBe(true);
            expect(clock.update()).toBe(true);
          } else clock.missed();
          for (const afterMs of [200, 1500, 4000]) {
            localMs = localOf(localClock, trueMs + afterMs);
            const now = clock.now();
            expect(now).toBeGreaterThanOrEqual(last);
            last = now;
            expect(Math.abs(now - (trueMs + afterMs))).toBeLessThanOrEqual(clock.errorBoundMs + rounding);
          }
        }
        expect(clock.errorBoundMs === Infinity).toBe(polls.every((delays) => !delays));
      }),
      { numRuns: 300 },
    );
  });

  test('free-runs at the measured rate without new samples', () => {
    fc.assert(
      fc.property(localClock, (localClock) => {
        let localMs = localOf(localClock, epochMs);
        const clock = new FleetClock({ localNow: () => localMs, localEpochMs: trueOffset(localClock, 0) });
        for (let index = 0; index < 24; index++) {
          const exchange = exchangeAt(localClock, epochMs + index * 5000, { upMs: 0.2, serverMs: 0.1, downMs: 0.2 });
          localMs = exchange.t4;
          clock.add(exchange);
          clock.update();
          clock.now();
        }
        const silentMs = 60_000;
        const trueMs = epochMs + 23 * 5000 + silentMs;
        localMs = localOf(localClock, trueMs);
        // 90 ppm would be 5 ms.
        expect(Math.abs(clock.now() - trueMs)).toBeLessThan(0.5);
        expect(clock.drift).toBeCloseTo(localClock.ratio, 6);
      }),
    );
  });

  test('is calibrated by a source with an unknown error, and its error bound is then unknown', () => {
    const clock = new FleetClock({ localNow: () => 1000, localEpochMs: 0 });
    for (let round = 0; round < 4; round++) {
      expect(clock.calibrated).toBe(false);
      clock.add({ t1: 998, t2: epochMs, t3: epochMs, t4: 1000, rootDispersionMs: Infinity });
      clock.update();
    }
    expect(clock.calibrated).toBe(true);
    expect(clock.now()).toBeCloseTo(epochMs + 1, 2);
    expect(clock.errorBoundMs).toBe(Infinity);
  });

  test('followMachineClock adjusts the time and leaves the error bound unknown', () => {
    let localMs = 0;
    const clock = new FleetClock({ localNow: () => localMs, localEpochMs: epochMs });
    expect(clock.now()).toBe(epochMs);
    clock.followMachineClock(epochMs + 3_600_000);
    expect(clock.now()).toBeCloseTo(epochMs + 3_600_000, 2);
    expect(clock.offsetMs).toBeCloseTo(3_600_000, 2);
    clock.followMachineClock(epochMs + 3_599_000);
    localMs += 2000;
    expect(clock.now()).toBeCloseTo(epochMs + 3_601_000, 2);
    expect(clock.errorBoundMs).toBe(Infinity);
  });

  test('refuses a seventeenth source', () => {
    const clock = new FleetClock();
    const exchange = { t1: 0, t2: 1, t3: 1, t4: 2 };
    for (let source = 0; source < 16; source++) clock.add(exchange, String(source));
    expect(() => clock.add(exchange, 'one more')).toThrow(RangeError);
    expect(clock.add(exchange, '3')).toBe(true);
  });
});

describe('SourceTimes', () => {
  test('the time of a frame is its local time plus the delta of its source', () => {
    const times = new SourceTimes();
    expect(times.ptsNtp('camera', 40)).toBeUndefined();
    times.calibrate('camera', 1000, epochMs);
    times.calibrate('other', 0, epochMs + 7);
    expect(times.ptsNtp('camera', 1040)).toBe(epochMs + 40);
    expect(times.ptsNtp('camera', 990)).toBe(epochMs - 10);
    expect(times.ptsNtp('other', 3)).toBe(epochMs + 10);
    times.forget('camera');
    expect(times.ptsNtp('camera', 1040)).toBeUndefined();
  });

  test('times of consecutive frames are monotonic, for any calibrations in between', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('frame'), afterMs: number(0, 100) }),
      fc.record({ kind: fc.constant('calibrate'), behindMs: number(0, 500), offsetMs: number(-1000, 1000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const times = new SourceTimes();
        times.calibrate('camera', 0, epochMs);
        let frameMs = 0;
        let last = times.ptsNtp('camera', 0)!;
        for (const step of steps) {
          if ('afterMs' in step) frameMs += step.afterMs;
          else times.calibrate('camera', frameMs - step.behindMs, epochMs + frameMs - step.behindMs + step.offsetMs);
          const pts = times.ptsNtp('camera', frameMs)!;
          expect(pts).toBeGreaterThanOrEqual(last - rounding);
          last = pts;
        }
      }),
    );
  });

  test('keeps the most recently calibrated sources, up to its bound', () => {
    const times = new SourceTimes({ maxSources: 2 });
    for (const source of ['a', 'b', 'a', 'c']) times.calibrate(source, 0, epochMs);
    expect(times.size).toBe(2);
    expect(times.ptsNtp('a', 1)).toBe(epochMs + 1);
    expect(times.ptsNtp('b', 1)).toBeUndefined();
  });
});
