import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { History } from '../src/history.ts';
import { Reception } from '../src/reception.ts';
import { nackOf, pictureLossOf, readRtcp, receiverReportOf, senderReportOf } from '../src/rtcp.ts';
import { isRtcp, rtpPacket } from '../src/rtp.ts';

const packetsOf = (count: number, clockStep = 960): Buffer[] => {
  const stream = { ssrc: 7, payloadType: 111, sequence: 65_530, timestamp: 2 ** 32 - 10 };
  return Array.from({ length: count }, () => {
    const { packet } = rtpPacket(stream, { marker: false, payloadBytes: 10 });
    stream.timestamp = (stream.timestamp + clockStep) >>> 0;
    return packet;
  });
};

describe('RTCP', () => {
  test('parsing any bytes does not throw, and written packets are RTCP', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const _ of readRtcp(Buffer.from(bytes))) expect(_.ssrc).toBeGreaterThanOrEqual(0);
      }),
    );
    expect([...readRtcp(pictureLossOf(1, 2))]).toEqual([{ type: 'key frame request', ssrc: 2 }]);
    expect(isRtcp(receiverReportOf(1, []))).toBe(true);
  });

  test('a NACK names exactly the lost sequence numbers, across a wrap', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(400), { minLength: 1 }), (offsets) => {
        const sequences = offsets.toSorted((a, b) => a - b).map((offset) => (65_400 + offset) & 0xff_ff);
        expect([...readRtcp(nackOf(1, 2, sequences))]).toEqual([{ type: 'nack', ssrc: 2, sequences }]);
      }),
    );
  });

  test('a sender report has the time to a millisecond', () => {
    const unixMs = Date.UTC(2026, 10, 28, 12, 0, 0, 250);
    const [report] = readRtcp(senderReportOf({ ssrc: 9, unixMs, rtpTime: 77, packets: 3, payloadBytes: 4 }));
    expect(report).toMatchObject({ type: 'sender report', ssrc: 9, rtpTime: 77 });
    expect((report as { unixMs: number }).unixMs).toBeCloseTo(unixMs, 3);
  });
});

describe('a stream', () => {
  test('its history has the last packets by sequence number, across a wrap', () => {
    const packets = packetsOf(12);
    const history = new History();
    for (const packet of packets) history.add(packet);
    expect(history.find(65_535)).toBe(packets[5]);
    expect(history.find(65_529)).toBeUndefined();
  });

  test('its report block counts lost packets across a wrap of sequence numbers', () => {
    const reception = new Reception(7, 48_000);
    for (const [index, packet] of packetsOf(100).entries())
      if (index % 4 !== 3 || index === 99) reception.add(packet, index * 20);
    const block = reception.reportBlock(2000)!;
    expect(block).toMatchObject({ ssrc: 7, lost: 24, highestSequence: 65_530 + 99 });
    expect(block.fractionLost).toBe(Math.floor((24 * 256) / 100));
    expect(block.jitter).toBe(0);
  });
});
