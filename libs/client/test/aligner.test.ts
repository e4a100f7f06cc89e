import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { Aligner } from '../src/metadata/aligner.ts';
import { FrameTimes } from '../src/metadata/frame-times.ts';

const maxWaitMs = 1000;

describe('Aligner', () => {
  let aligner: Aligner;
  let delivered: [captureTime: number, errorMs: number | undefined][];
  const add = (captureTime: number, now: number): void =>
    aligner.add({ captureTime, deliver: (errorMs) => void delivered.push([captureTime, errorMs]) }, now);

  beforeEach(() => {
    aligner = new Aligner(maxWaitMs);
    delivered = [];
  });

  test('holds an item until its frame is presented', () => {
    aligner.frame(1000, 0);
    aligner.frame(1040, 40);
    add(1080, 41);
    expect(delivered).toEqual([]);
    aligner.frame(1079, 80);
    expect(delivered).toEqual([[1080, -1]]);
  });

  test('delivers an item with the next frame when its own was skipped, and at once after its frame', () => {
    aligner.frame(1000, 0);
    aligner.frame(1040, 40);
    add(1080, 41);
    aligner.frame(1120, 120);
    add(1085, 121);
    expect(delivered).toEqual([
      [1080, 40],
      [1085, 35],
    ]);
  });

  test('delivers an item without a frame when none is presented for a second', () => {
    add(1000, 0);
    expect(aligner.deadline).toBe(maxWaitMs);
    aligner.expire(maxWaitMs - 1);
    expect(delivered).toEqual([]);
    aligner.expire(maxWaitMs);
    expect(delivered).toEqual([[1000, undefined]]);
    expect(aligner.deadline).toBe(Infinity);
  });

  test('delivers each item once, not before its frame, and in the order of capture for any order of arrival', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ frame: fc.nat({ max: 50 }), late: fc.nat({ max: 5 }) }), { maxLength: 80 }),
        (sent) => {
          const of = new Aligner(maxWaitMs);
          const seen: { frame: number; shown: number; error: number | undefined }[] = [];
          let shown = -1;
          for (let at = 0; at < 60; at++) {
            for (const { frame, late } of sent) {
              if (frame + late !== at) continue;
              const deliver = (error: number | undefined): void => void seen.push({ frame, shown, error });
              of.add({ captureTime: frame * 40, deliver }, at * 40);
            }
            shown = at - 2;
            if (shown >= 0) of.frame(shown * 40, at * 40);
          }
          expect(seen).toHaveLength(sent.length);
          for (const { frame, shown: with_, error } of seen) {
            expect(with_).toBeGreaterThanOrEqual(frame);
            expect(error).toBe((with_ - frame) * 40);
          }
          const inTime = seen.filter((each) => each.shown === each.frame).map(({ frame }) => frame);
          expect(inTime).toEqual(inTime.toSorted((a, b) => a - b));
        },
      ),
    );
  });

  test('holds 512 items at most, and delivers the oldest without its frame', () => {
    for (let index = 0; index < 600; index++) add(index, 0);
    expect(aligner.size).toBe(512);
    expect(delivered).toHaveLength(88);
    expect(delivered[0]).toEqual([0, undefined]);
  });
});

describe('FrameTimes', () => {
  const ntpToUnixMs = 2_208_988_800_000;
  const receiver = (rtpTimestamp: number, captureTimestamp?: number) => ({
    getSynchronizationSources: () => [{ rtpTimestamp, captureTimestamp, source: 1, timestamp: 0 }],
  });

  test('computes the capture time from that of the newest packet and the RTP timestamps, which wrap around at 32 bits', () => {
    const times = new FrameTimes(receiver(900, ntpToUnixMs + 5000));
    expect(times.captureTime(900)).toBe(5000);
    expect(times.captureTime(0)).toBe(4990);
    expect(times.captureTime(2 ** 32 - 900)).toBe(4980);
    expect(times.captureTime(1800)).toBe(5010);
  });

  test('has no capture time while the browser reports none', () => {
    expect(new FrameTimes(receiver(900)).captureTime(900)).toBeUndefined();
  });
});
