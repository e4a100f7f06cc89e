import { isRtp, sequenceOf, ssrcOf } from '@flotilla/edge-peer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arrivals } from '../src/arrivals.ts';
import { OpusSource } from '../src/opus.ts';
import { Vp8Source } from '../src/vp8.ts';

const stream = (payloadType = 96) => ({ ssrc: 7, payloadType, sequence: 65_530, timestamp: 2 ** 32 - 10 });

describe('RTP of a light peer', () => {
  test('VP8 starts with a key frame, and each frame ends with the marker bit, at any bit rate', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000_000 }), (bitsPerSecond) => {
        const source = new Vp8Source(stream(), { bitsPerSecond });
        const [key, other] = [source.next(), source.next()];
        expect(key[0]![12 + 4]! & 1).toBe(0);
        expect(other[0]![12 + 4]! & 1).toBe(1);
        for (const packets of [key, other]) {
          expect(packets.map((packet) => packet[1]! >> 7)).toEqual(
            packets.map((_, index) => +(index === packets.length - 1)),
          );
          expect(packets.every((packet) => isRtp(packet) && packet.length < 1200)).toBe(true);
        }
        source.requestKeyFrame();
        expect(source.next()[0]![12 + 4]! & 1).toBe(0);
      }),
    );
  });

  test('sequence numbers wrap around', () => {
    const source = new OpusSource(stream(111));
    const packets = Array.from({ length: 12 }, () => source.next()[0]!);
    expect(packets.map(sequenceOf)).toEqual([65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 0, 1, 2, 3, 4, 5]);
    expect(packets.every((packet) => ssrcOf(packet) === 7)).toBe(true);
  });

  test('the longest gap includes the current one', () => {
    const arrivals = new Arrivals();
    expect(arrivals.takeLongestGap(0)).toBeUndefined();
    for (const at of [100, 120, 180, 200]) arrivals.add(at);
    expect(arrivals.takeLongestGap(210)).toBe(60);
    expect(arrivals.takeLongestGap(300)).toBe(100);
    expect(arrivals.packets).toBe(4);
  });
});
