import { pictureLoss, receiverReport } from '@flotilla/rtp';
import { describe, expect, test } from 'vitest';
import { History } from '../src/history.ts';
import { Reception } from '../src/reception.ts';
import { isRtcp, rtpPacket } from '../src/rtp.ts';

const packetsOf = (count: number, clockStep = 960): Buffer[] => {
  const stream = { ssrc: 7, payloadType: 111, sequence: 65_530, timestamp: 2 ** 32 - 10 };
  return Array.from({ length: count }, () => {
    const { packet } = rtpPacket(stream, { marker: false, payloadBytes: 10 });
    stream.timestamp = (stream.timestamp + clockStep) >>> 0;
    return packet;
  });
};

test('reports and key frame requests are distinguished from RTP on one port', () => {
  expect(isRtcp(receiverReport(1, []))).toBe(true);
  expect(isRtcp(pictureLoss(1, 2))).toBe(true);
  expect(isRtcp(packetsOf(1)[0]!)).toBe(false);
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
