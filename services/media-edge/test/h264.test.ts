import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { H264Stream } from '../src/h264/h264-stream.ts';
import { aggregate, disaggregate, fit, maxPayloadBytes } from '../src/h264/nal.ts';

const sps = (profile: number, level = 31): Buffer => Buffer.from([0x67, profile, 0, level, 0x80, 1, 2]);
const pps = Buffer.from([0x68, 0x80, 3]);
const idr = Buffer.from([0x65, 1, 2, 3]);
const slice = Buffer.from([0x41, 1, 2, 3]);
const hex = (payloads: readonly Buffer[]): string[] => payloads.map((payload) => payload.toString('hex'));

/** What a depacketiser makes of payloads. */
function unitsOf(payloads: readonly Buffer[]): Buffer[] {
  const units: Buffer[] = [];
  for (const payload of payloads) {
    const type = payload[0]! & 31;
    if (type === 24) units.push(...disaggregate(payload)!);
    else if (type !== 28) units.push(payload);
    else if (payload[1]! & 0x80)
      units.push(Buffer.concat([Buffer.from([(payload[0]! & 0xe0) | (payload[1]! & 31)]), payload.subarray(2)]));
    else units.push(Buffer.concat([units.pop() ?? Buffer.alloc(0), payload.subarray(2)]));
  }
  return units;
}

describe('an H.264 stream', () => {
  test('begins with a key frame, with the parameter sets of the SDP in front of it', () => {
    const stream = new H264Stream([sps(66), pps]);
    expect(stream.payloadsFor(slice, 0)).toEqual([]);
    expect(hex(stream.payloadsFor(idr, 3000))).toEqual(hex([aggregate([sps(66), pps]), idr]));
    // The second slice of the key frame.
    expect(hex(stream.payloadsFor(idr, 3000))).toEqual(hex([idr]));
    expect(hex(stream.payloadsFor(slice, 6000))).toEqual(hex([slice]));
  });

  test('adds no parameter sets to those in band, and repeats the last ones in front of key frames without', () => {
    const stream = new H264Stream([sps(66), pps]);
    stream.payloadsFor(aggregate([sps(77, 40), pps, idr]), 0);
    expect(stream.profile).toEqual({ levelId: '4d001f' });
    expect(hex(stream.payloadsFor(idr, 3000))).toEqual(hex([aggregate([sps(77, 40), pps]), idr]));
    expect(hex(stream.payloadsFor(sps(77), 6000))).toEqual(hex([sps(77)]));
    expect(hex(stream.payloadsFor(idr, 6000))).toEqual(hex([idr]));
  });

  test('waits for the parameter sets when the SDP has none, and for a key frame after a restart', () => {
    const stream = new H264Stream();
    expect(stream.payloadsFor(idr, 0)).toEqual([]);
    expect(stream.payloadsFor(sps(66), 3000)).toEqual([]);
    expect(stream.payloadsFor(pps, 3000)).toEqual([]);
    expect(hex(stream.payloadsFor(idr, 3000))).toEqual(hex([aggregate([sps(66), pps]), idr]));
    stream.restart();
    expect(stream.payloadsFor(slice, 6000)).toEqual([]);
    expect(stream.payloadsFor(idr, 9000)).toHaveLength(2);
  });

  test('names profiles that browsers do not decode', () => {
    expect(new H264Stream([sps(100), pps]).profile).toEqual({ refused: 'High' });
    expect(new H264Stream([sps(122), pps]).profile).toEqual({ refused: 'High 4:2:2' });
    expect(new H264Stream().profile).toBeUndefined();
  });

  test('takes any bytes without an error, and passes on nothing of the interleaved mode', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (payloads) => {
        const stream = new H264Stream();
        for (const [index, payload] of payloads.entries()) stream.payloadsFor(Buffer.from(payload), index);
      }),
    );
    const stream = new H264Stream([sps(66), pps]);
    stream.payloadsFor(idr, 0);
    for (const type of [0, 25, 26, 27, 29, 30, 31])
      expect(stream.payloadsFor(Buffer.from([type, 1, 2]), 1)).toEqual([]);
  });

  test('payloads that are too large for a packet become smaller ones with the same NAL units', () => {
    const unit = fc
      .tuple(fc.integer({ min: 1, max: 23 }), fc.uint8Array({ minLength: 1, maxLength: 5000 }))
      .map(([type, bytes]) => Buffer.concat([Buffer.from([0x60 | type]), bytes]));
    fc.assert(
      fc.property(fc.array(unit, { minLength: 1, maxLength: 4 }), fc.boolean(), (units, together) => {
        const payloads = together ? [aggregate(units)] : units;
        const fitted = payloads.flatMap(fit);
        for (const payload of fitted) expect(payload.length).toBeLessThanOrEqual(maxPayloadBytes);
        expect(hex(unitsOf(fitted))).toEqual(hex(units));
        // Fragments that are too large are divided as well.
        const large = Buffer.concat([Buffer.from([0x7c, 0xc5]), Buffer.alloc(4000, 7)]);
        expect(hex(unitsOf(fit(large)))).toEqual(hex(unitsOf([large])));
      }),
    );
  });
});
