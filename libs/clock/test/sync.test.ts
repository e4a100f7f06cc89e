import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FleetClock, SourceTimes } from '../src/sync/index.ts';
import { ClockFilter, distanceOf, offsetAt } from '../src/sync/clock-filter.ts';
import { DriftMeter } from '../src/sync/drift-meter.ts';
import { type Exchange, sampleOf } from '../src/sync/sample.ts';
import { combine, truechimers } from '../src/sync/selection.ts';
import { SlewedOffset, stepThresholdMs } from '../src/sync/slewed-offset.ts';
import { type Estimate, TimeSource } from '../src/sync/time-source.ts';

/** Evenly over the range; `fc.double` gives mostly tiny ones. */
const number = (min: number, max: number) =>
  fc.integer({ min: 0, max: 2 ** 30 }).map((part) => min + (max - min) * (part / 2 ** 30));
const epochMs = 1_790_000_000_000;
/** What a double of today's time in ms may be off by. */
const rounding = 0.001;

/** A local clock against the true time, and a path with two ways. */
interface World {
  readonly ratio: number;
  readonly offsetMs: number;
}
const localOf = ({ ratio, offsetMs }: World, trueMs: number): number => (trueMs - epochMs - offsetMs) / (1 + ratio);
const trueOffset = (world: World, localMs: number): number =>
  epochMs + world.offsetMs + localMs * (1 + world.ratio) - localMs;

interface Ways {
  readonly upMs: number;
  readonly thereMs: number;
  readonly downMs: number;
}
function exchangeAt(world: World, trueMs: number, { upMs, thereMs, downMs }: Ways, serverOffsetMs = 0): Exchange {
  return {
    t1: localOf(world, trueMs),
    t2: trueMs + upMs + serverOffsetMs,
    t3: trueMs + upMs + thereMs + serverOffsetMs,
    t4: localOf(world, trueMs + upMs + thereMs + downMs),
  };
}
const ways: fc.Arbitrary<Ways> = fc.record({ upMs: number(0, 50), thereMs: number(0, 5), downMs: number(0, 50) });
const steadyWorld = fc.record({ ratio: fc.constant(0), offsetMs: number(-1e6, 1e6) });
/** Quartz. */
const world = fc.record({ ratio: number(-90e-6, 90e-6), offsetMs: number(-1e6, 1e6) });

describe('a sample', () => {
  test('is wrong by half its delay at most, whatever each way took', () => {
    fc.assert(
      fc.property(steadyWorld, ways, (world, way) => {
        const sample = sampleOf(exchangeAt(world, epochMs + 5e6, way))!;
        expect(sample.delayMs).toBeCloseTo(way.upMs + way.downMs, 2);
        expect(Math.abs(sample.offsetMs - trueOffset(world, 0))).toBeLessThanOrEqual(sample.delayMs / 2 + rounding);
      }),
    );
  });

  test.each([
    ['goes back', { t1: 10, t2: 0, t3: 0, t4: 9 }],
    ['answers before it was asked', { t1: 0, t2: 5, t3: 4, t4: 9 }],
    ['is at the server for longer than it takes', { t1: 0, t2: 5, t3: 25, t4: 9 }],
    ['takes minutes', { t1: 0, t2: 5, t3: 5, t4: 100_000 }],
    ['has no time', { t1: 0, t2: Number.NaN, t3: 5, t4: 9 }],
    ['never ends', { t1: 0, t2: 5, t3: 5, t4: Infinity }],
    ['has a negative root', { t1: 0, t2: 5, t3: 5, t4: 9, rootDelayMs: -1 }],
    ['has no root', { t1: 0, t2: 5, t3: 5, t4: 9, rootDispersionMs: Number.NaN }],
  ])('of an exchange that %s is none', (_, exchange) => {
    expect(sampleOf(exchange)).toBeUndefined();
    expect(new FleetClock().add(exchange)).toBe(false);
  });
});

const drifting = { ratio: 0, tolerance: 100e-6 };

describe('the clock filter', () => {
  test('takes, of the last eight, one with the least distance, and that bounds its error', () => {
    fc.assert(
      fc.property(world, fc.array(ways, { minLength: 1, maxLength: 30 }), (world, series) => {
        const filter = new ClockFilter();
        const samples = series.map((way, index) => sampleOf(exchangeAt(world, epochMs + index * 5000, way))!);
        for (const sample of samples) filter.add(sample);
        const nowMs = samples.at(-1)!.atMs;
        const best = filter.best(nowMs, drifting)!;
        const least = Math.min(...samples.slice(-8).map((each) => distanceOf(each, nowMs, drifting)));
        expect(distanceOf(best, nowMs, drifting)).toBe(least);
        const error = Math.abs(offsetAt(best, nowMs, drifting) - trueOffset(world, nowMs));
        expect(error).toBeLessThanOrEqual(least + rounding);
      }),
    );
  });
});

describe('the drift', () => {
  test('is within its tolerance, also where offsets jump about', () => {
    fc.assert(
      fc.property(world, fc.array(ways, { minLength: 40, maxLength: 80 }), (world, series) => {
        const meter = new DriftMeter();
        for (const [index, way] of series.entries())
          meter.add(sampleOf(exchangeAt(world, epochMs + index * 5000, way))!);
        expect(Math.abs(meter.drift.ratio - world.ratio)).toBeLessThanOrEqual(meter.drift.tolerance);
      }),
    );
  });

  test('on a quiet path is known after a minute', () => {
    fc.assert(
      fc.property(world, (world) => {
        const meter = new DriftMeter();
        for (let index = 0; index < 12; index++)
          meter.add(sampleOf(exchangeAt(world, epochMs + index * 5000, { upMs: 0.2, thereMs: 0.1, downMs: 0.2 }))!);
        expect(meter.drift.tolerance).toBeLessThan(20e-6);
        expect(meter.drift.ratio).toBeCloseTo(world.ratio, 6);
      }),
    );
  });

  test('is none while nothing is known', () => {
    const meter = new DriftMeter();
    for (const atMs of [0, 200, 400])
      meter.add(
        sampleOf(exchangeAt({ ratio: 0, offsetMs: 0 }, epochMs + atMs, { upMs: atMs / 100, thereMs: 0, downMs: 0 }))!,
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
/** Honest ones lie within their error bound of the truth, which is 0. */
const honest = fc.tuple(number(-1, 1), number(0.01, 50)).map(([part, bound]) => estimate(part * bound, bound));
/** Liars are off by more than all the bounds. */
const liar = fc
  .tuple(fc.constantFrom(-1, 1), number(200, 1e6), number(0, 90))
  .map(([side, offset, bound]) => estimate(side * offset, bound));

describe('the selection', () => {
  const votes = fc
    .array(honest, { minLength: 1, maxLength: 6 })
    .chain((good) => fc.tuple(fc.constant(good), fc.array(liar, { maxLength: good.length - 1 })));

  test('never believes a liar while most are honest, and its error stays within its bound', () => {
    fc.assert(
      fc.property(votes, ([good, bad]) => {
        const believed = truechimers([...bad, ...good]);
        for (const each of believed) expect(good).toContain(each);
        if (believed.length === 0) return;
        const { offsetMs, errorBoundMs } = combine(believed);
        expect(Math.abs(offsetMs)).toBeLessThanOrEqual(errorBoundMs + 1e-9);
      }),
    );
  });

  test('believes all honest ones that are much nearer to each other than to the bounds', () => {
    const near = number(-0.5, 0.5).chain((offset) => number(0.5, 50).map((bound) => estimate(offset, bound)));
    const all = fc
      .array(near, { minLength: 1, maxLength: 6 })
      .chain((good) => fc.tuple(fc.constant(good), fc.array(liar, { maxLength: good.length - 1 })));
    fc.assert(
      fc.property(all, ([good, bad]) => {
        expect(truechimers([...bad, ...good])).toEqual(good);
      }),
    );
  });

  test('believes nobody where half contradicts the other half', () => {
    expect(truechimers([estimate(0, 1), estimate(500, 1)])).toEqual([]);
    expect(truechimers([])).toEqual([]);
  });

  test('weighs a source that does not know its error least', () => {
    const { offsetMs, errorBoundMs } = combine([estimate(0, 2), estimate(100, Infinity)]);
    expect(offsetMs).toBeLessThan(0.1);
    expect(errorBoundMs).toBe(Infinity);
    expect(combine([estimate(5, Infinity)])).toMatchObject({ offsetMs: 5, errorBoundMs: Infinity });
    expect(truechimers([estimate(5, Infinity)])).toHaveLength(1);
  });
});

describe('the offset', () => {
  const aims = fc.array(
    fc.record({
      afterMs: number(0, 20_000),
      offsetMs: fc.oneof(number(-1, 1), number(-100, 100), number(-20_000, 20_000)),
      drift: number(-500e-6, 500e-6),
    }),
    { minLength: 1, maxLength: 20 },
  );

  test('never takes time back, and runs between half speed and a jump forward', () => {
    fc.assert(
      fc.property(aims, fc.integer({ min: 1, max: 20 }), (aims, reads) => {
        const offset = new SlewedOffset(epochMs, 5000);
        let localMs = 0;
        let told = offset.at(0);
        for (const { afterMs, offsetMs, drift } of aims) {
          for (let read = 1; read <= reads; read++) {
            const at = localMs + (afterMs * read) / reads;
            const now = at + offset.at(at);
            // 0.5 of catching up, less 500 ppm of drift.
            expect(now - told).toBeGreaterThanOrEqual((afterMs / reads) * 0.499 - rounding);
            expect(now - told).toBeLessThanOrEqual((afterMs / reads) * 1.006 + rounding);
            told = now;
          }
          localMs += afterMs;
          offset.aim(epochMs + offsetMs, localMs, drift);
          const now = localMs + offset.at(localMs);
          expect(now).toBeGreaterThanOrEqual(told - rounding);
          told = now;
        }
      }),
    );
  });

  test('gets where it is aimed: at once, over the interval, or after twice a step back', () => {
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

describe('a source', () => {
  const quiet = { upMs: 0.2, thereMs: 0.1, downMs: 0.2 };
  const steady = { ratio: 0, offsetMs: 0 };
  function heard(serverOffsets: readonly number[]): TimeSource {
    const source = new TimeSource();
    for (const [index, offset] of serverOffsets.entries())
      source.add(sampleOf(exchangeAt(steady, epochMs + index * 5000, quiet, offset))!);
    return source;
  }
  const offsetOf = (source: TimeSource): number => source.estimate(0)!.offsetMs - epochMs;

  test('that says something else once or twice is not believed, three times it is', () => {
    expect(offsetOf(heard([0, 0, 0, 10_000]))).toBeCloseTo(0, 2);
    expect(offsetOf(heard([0, 0, 0, 10_000, 10_000]))).toBeCloseTo(0, 2);
    expect(offsetOf(heard([0, 0, 0, 10_000, 10_000, 10_000]))).toBeCloseTo(10_000, 2);
    expect(offsetOf(heard([0, 0, 0, 10_000, 10_000, 0, 10_000, 10_000]))).toBeCloseTo(0, 2);
    expect(offsetOf(heard([0, 0, 0, 10_000, -3000, 70_000, 5000, -9]))).toBeCloseTo(0, 2);
  });

  test('is the less certain the more its samples differ', () => {
    // On a path of 20 ms, of which all is on the way there, or all on the way back.
    const source = new TimeSource();
    for (const [index, upMs] of [20, 0, 20, 0].entries())
      source.add(sampleOf(exchangeAt(steady, epochMs + index, { upMs, thereMs: 0, downMs: 20 - upMs }))!);
    // Half the delay, and the root mean square of 0, 20, 0 and 20.
    expect(source.estimate(23)!.errorBoundMs).toBeCloseTo(10 + 0.1 + Math.sqrt((2 * 20 ** 2) / 3), 1);
  });

  test('that is not heard eight times has no say until it is', () => {
    const source = heard([0, 0, 0]);
    for (let poll = 1; poll < 8; poll++) source.missed();
    expect(source.estimate(0)).toBeDefined();
    source.missed();
    expect(source.estimate(0)).toBeUndefined();
    source.add(sampleOf(exchangeAt(steady, epochMs + 99_000, quiet))!);
    expect(source.estimate(0)).toBeDefined();
  });
});

describe("the fleet's time", () => {
  /** Lost or answered, on a path with 50 ms of jitter each way. */
  const polls = fc.array(fc.option(ways, { freq: 5 }), { minLength: 5, maxLength: 60 });

  test('never goes back and is wrong by no more than it says, for any quartz and any queues', () => {
    fc.assert(
      fc.property(world, number(-500, 500), polls, (world, wrongMs, polls) => {
        let localMs = localOf(world, epochMs);
        const clock = new FleetClock({ localNow: () => localMs, localEpochMs: trueOffset(world, 0) + wrongMs });
        let told = clock.now();
        for (const [index, way] of polls.entries()) {
          const trueMs = epochMs + index * 5000;
          if (way) {
            const exchange = exchangeAt(world, trueMs, way);
            localMs = exchange.t4;
            expect(clock.add(exchange)).toBe(true);
            expect(clock.update()).toBe(true);
          } else clock.missed();
          for (const afterMs of [200, 1500, 4000]) {
            localMs = localOf(world, trueMs + afterMs);
            const now = clock.now();
            expect(now).toBeGreaterThanOrEqual(told);
            told = now;
            expect(Math.abs(now - (trueMs + afterMs))).toBeLessThanOrEqual(clock.errorBoundMs + rounding);
          }
        }
        expect(clock.errorBoundMs === Infinity).toBe(polls.every((way) => !way));
      }),
      { numRuns: 300 },
    );
  });

  test('goes on at the measured rate while nobody answers', () => {
    fc.assert(
      fc.property(world, (world) => {
        let localMs = localOf(world, epochMs);
        const clock = new FleetClock({ localNow: () => localMs, localEpochMs: trueOffset(world, 0) });
        for (let index = 0; index < 24; index++) {
          const exchange = exchangeAt(world, epochMs + index * 5000, { upMs: 0.2, thereMs: 0.1, downMs: 0.2 });
          localMs = exchange.t4;
          clock.add(exchange);
          clock.update();
          clock.now();
        }
        const silentMs = 60_000;
        const trueMs = epochMs + 23 * 5000 + silentMs;
        localMs = localOf(world, trueMs);
        // 90 ppm would be 5 ms.
        expect(Math.abs(clock.now() - trueMs)).toBeLessThan(0.5);
        expect(clock.drift).toBeCloseTo(world.ratio, 6);
      }),
    );
  });

  test('is learned from a source that does not know its own error, which is then unknown here too', () => {
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

  test("follows the machine's own clock where it is told to, and says that the error is unknown", () => {
    let localMs = 0;
    const clock = new FleetClock({ localNow: () => localMs, localEpochMs: epochMs });
    expect(clock.now()).toBe(epochMs);
    clock.followOwn(epochMs + 3_600_000);
    expect(clock.now()).toBeCloseTo(epochMs + 3_600_000, 2);
    expect(clock.offsetMs).toBeCloseTo(3_600_000, 2);
    clock.followOwn(epochMs + 3_599_000);
    localMs += 2000;
    expect(clock.now()).toBeCloseTo(epochMs + 3_601_000, 2);
    expect(clock.errorBoundMs).toBe(Infinity);
  });

  test('has a bound on its sources', () => {
    const clock = new FleetClock();
    const exchange = { t1: 0, t2: 1, t3: 1, t4: 2 };
    for (let source = 0; source < 16; source++) clock.add(exchange, String(source));
    expect(() => clock.add(exchange, 'one more')).toThrow(RangeError);
    expect(clock.add(exchange, '3')).toBe(true);
  });
});

describe('the time of a source', () => {
  test('is its own plus its delta', () => {
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

  test('never goes back from frame to frame, however it is calibrated', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('frame'), afterMs: number(0, 100) }),
      fc.record({ kind: fc.constant('calibrate'), behindMs: number(0, 500), offsetMs: number(-1000, 1000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const times = new SourceTimes();
        times.calibrate('camera', 0, epochMs);
        let frameMs = 0;
        let told = times.ptsNtp('camera', 0)!;
        for (const step of steps) {
          if ('afterMs' in step) frameMs += step.afterMs;
          else times.calibrate('camera', frameMs - step.behindMs, epochMs + frameMs - step.behindMs + step.offsetMs);
          const pts = times.ptsNtp('camera', frameMs)!;
          expect(pts).toBeGreaterThanOrEqual(told - rounding);
          told = pts;
        }
      }),
    );
  });

  test('is kept for a bounded number of sources, those calibrated last', () => {
    const times = new SourceTimes({ maxSources: 2 });
    for (const source of ['a', 'b', 'a', 'c']) times.calibrate(source, 0, epochMs);
    expect(times.size).toBe(2);
    expect(times.ptsNtp('a', 1)).toBe(epochMs + 1);
    expect(times.ptsNtp('b', 1)).toBeUndefined();
  });
});
