import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BandwidthEstimator, EstimatorOptions, Feedback, PacketResult } from '../src/index.ts';

const bounds = { min: 50_000, start: 300_000, max: 4_000_000 };

/** A clock that the test sets. */
class TestClock {
  nowMs = 1000;
  readonly now = (): number => this.nowMs;
}

/** Numbers as a hostile receiver or a defective parser has them. */
const anyNumber = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(NaN, Infinity, -Infinity, 0, -0, Number.MAX_VALUE, Number.MIN_VALUE, -1, 2 ** 53, -(2 ** 53)),
);
/** Plausible times, so that the inner parts are reached as well. */
const time = fc.oneof(
  { weight: 4, arbitrary: fc.double({ min: 0, max: 60_000, noNaN: true }) },
  { weight: 1, arbitrary: anyNumber },
);

const packet: fc.Arbitrary<PacketResult> = fc.record({
  sentAtMs: time,
  arrivedAtMs: fc.option(time, { nil: undefined }),
  bytes: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 1500 }) }, { weight: 1, arbitrary: anyNumber }),
  probeId: fc.option(fc.oneof(fc.integer({ min: 1, max: 4 }), anyNumber), { nil: undefined }),
});

const feedback: fc.Arbitrary<Feedback> = fc.oneof(
  fc.record({ kind: fc.constant('packets' as const), packets: fc.array(packet, { maxLength: 60 }) }),
  fc.record({
    kind: fc.constant('report' as const),
    fractionLost: anyNumber,
    jitterMs: anyNumber,
    rttMs: fc.option(anyNumber, { nil: undefined }),
    sentBitrate: anyNumber,
  }),
);

const step = fc.record({ afterMs: fc.integer({ min: 0, max: 5000 }), feedback, probes: fc.boolean() });

/** Packets of one interval over a path without queue. */
function arrived(fromMs: number, bitrate: number, forMs: number, delayMs = 20): PacketResult[] {
  const spacingMs = 9_600_000 / bitrate;
  return Array.from({ length: Math.max(1, Math.floor(forMs / spacingMs)) }, (_, index) => {
    const sentAtMs = fromMs + index * spacingMs;
    return { sentAtMs, arrivedAtMs: sentAtMs + delayMs, bytes: 1200 };
  });
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of the heap that are in use. */
function heapBytes(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** What every estimator has to do, whatever its rule. */
export function testEstimator(name: string, create: (options: EstimatorOptions) => BandwidthEstimator): void {
  describe(`${name}, as a bandwidth estimator`, () => {
    const expectWithin = ({ targetBitrate }: BandwidthEstimator): void => {
      expect(targetBitrate).toBeGreaterThanOrEqual(bounds.min);
      expect(targetBitrate).toBeLessThanOrEqual(bounds.max);
    };

    test('starts with the start bit rate', () => {
      expect(create({ bounds, now: () => 0 }).targetBitrate).toBe(bounds.start);
    });

    test.each([
      { min: 0, start: 1, max: 2 },
      { min: 2, start: 1, max: 3 },
      { min: 1, start: 3, max: 2 },
      { min: 1, start: 2, max: Infinity },
      { min: NaN, start: 2, max: 3 },
    ])('refuses the bounds %o', (invalid) => {
      expect(() => create({ bounds: invalid, now: () => 0 })).toThrow(RangeError);
    });

    test('neither throws nor leaves its bounds, whatever the feedback', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
          const clock = new TestClock();
          const estimator = create({ bounds, now: clock.now });
          for (const { afterMs, feedback: each, probes } of steps) {
            clock.nowMs += afterMs;
            if (probes) {
              const probe = estimator.takeProbe();
              if (probe) expect(probe.bitrate).toBeLessThanOrEqual(bounds.max * 1.2);
            }
            estimator.onFeedback(each);
            expectWithin(estimator);
          }
        }),
        { numRuns: 300, seed: 18 },
      );
    });

    test('stays at or below the maximum when a receiver claims that everything arrives at once', () => {
      const clock = new TestClock();
      const estimator = create({ bounds, now: clock.now });
      for (let round = 0; round < 200; round++) {
        clock.nowMs += 50;
        const probeId = estimator.takeProbe()?.id;
        const packets = arrived(clock.nowMs - 50, 1e8, 50).map((each, index) => ({
          ...each,
          probeId,
          arrivedAtMs: clock.nowMs + index / 1000,
        }));
        estimator.onFeedback({ kind: 'packets', packets });
        estimator.onFeedback({ kind: 'report', fractionLost: 0, jitterMs: 1e9, rttMs: 0.001, sentBitrate: 1e15 });
        expectWithin(estimator);
      }
    });

    test('goes to the minimum when all packets are lost, and recovers', () => {
      const clock = new TestClock();
      const estimator = create({ bounds, now: clock.now });
      const report = { kind: 'report', jitterMs: 5, rttMs: 50 } as const;
      for (let round = 0; round < 60; round++) {
        clock.nowMs += 1000;
        estimator.onFeedback({ ...report, fractionLost: 1, sentBitrate: estimator.targetBitrate });
      }
      expect(estimator.targetBitrate).toBe(bounds.min);
      for (let round = 0; round < 300; round++) {
        clock.nowMs += 1000;
        estimator.onFeedback({ ...report, fractionLost: 0, sentBitrate: estimator.targetBitrate });
      }
      expect(estimator.targetBitrate).toBeGreaterThan(2 * bounds.min);
    });

    test('keeps the target without feedback', () => {
      const clock = new TestClock();
      const estimator = create({ bounds, now: clock.now });
      clock.nowMs += 3_600_000;
      estimator.onFeedback({ kind: 'packets', packets: [] });
      expect(estimator.targetBitrate).toBe(bounds.start);
    });

    test('the same feedback at the same times gives the same targets', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
          const run = (): number[] => {
            const clock = new TestClock();
            const estimator = create({ bounds, now: clock.now });
            return steps.map(({ afterMs, feedback: each }) => {
              clock.nowMs += afterMs;
              estimator.onFeedback(each);
              return estimator.targetBitrate;
            });
          };
          expect(run()).toEqual(run());
        }),
        { numRuns: 50, seed: 18 },
      );
    });

    test('its memory does not grow with the number of packets and reports', () => {
      const clock = new TestClock();
      const estimators = Array.from({ length: 20 }, () => create({ bounds, now: clock.now }));
      const run = (rounds: number): void => {
        for (let round = 0; round < rounds; round++) {
          clock.nowMs += 50;
          const packets = arrived(clock.nowMs - 50, 2_000_000, 50, 20 + (round % 7));
          for (const estimator of estimators) {
            estimator.takeProbe();
            estimator.onFeedback({ kind: 'packets', packets });
            estimator.onFeedback({ kind: 'report', fractionLost: 0.01, jitterMs: 3, rttMs: 40, sentBitrate: 2e6 });
          }
        }
      };
      run(1000);
      const before = heapBytes();
      run(3000);
      // A number kept per packet would be 8 bytes x 20 estimators x 30,000 packets: 4.6 MiB.
      expect(heapBytes() - before).toBeLessThan(1024 * 1024);
      expect(estimators).toHaveLength(20);
    });
  });
}
