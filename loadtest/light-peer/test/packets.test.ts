import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arrivals } from '../src/arrivals.ts';
import { History } from '../src/history.ts';
import { OpusSource } from '../src/opus.ts';
import { Reception } from '../src/reception.ts';
import { pictureLossOf, readRtcp, receiverReportOf } from '../src/rtcp.ts';
import { isRtcp, isRtp, sequenceOf, ssrcOf } from '../src/rtp.ts';
import { Vp8Source } from '../src/vp8.ts';

const stream = (payloadType = 96) => ({ ssrc: 7, payloadType, sequence: 65_530, timestamp: 2 ** 32 - 10 });

describe('RTP and RTCP of a light peer', () => {
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
    const history = new History();
    for (const packet of packets) history.add(packet);
    expect(history.find(65_535)).toBe(packets[5]);
    expect(history.find(65_529)).toBeUndefined();
  });

  test('parsing any bytes as RTCP does not throw, and written packets are RTCP', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const _ of readRtcp(Buffer.from(bytes))) expect(_.ssrc).toBeGreaterThanOrEqual(0);
      }),
    );
    expect([...readRtcp(pictureLossOf(1, 2))]).toEqual([{ type: 'key frame request', ssrc: 2 }]);
    expect(isRtcp(receiverReportOf(1, []))).toBe(true);
  });

  test('a report block counts lost packets across a wrap of sequence numbers', () => {
    const source = new OpusSource(stream(111));
    const reception = new Reception(7, 48_000);
    for (let packet = 0; packet < 100; packet++) {
      const [next] = source.next();
      if (packet % 4 !== 3 || packet === 99) reception.add(next!, packet * 20);
    }
    const block = reception.reportBlock(2000)!;
    expect(block).toMatchObject({ ssrc: 7, lost: 24, highestSequence: 65_530 + 99 });
    expect(block.fractionLost).toBe(Math.floor((24 * 256) / 100));
    expect(block.jitter).toBe(0);
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
