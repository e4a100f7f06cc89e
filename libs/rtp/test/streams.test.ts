import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  KeyFrameRequester,
  MediaTimeline,
  NackGenerator,
  OpusPacketizer,
  PacketPool,
  RetransmissionHistory,
  RtpPacket,
  RtpWriter,
  ReorderBuffer,
  sequenceDistance,
  StreamRewriter,
  timestampDistance,
} from '../src/index.ts';
import { packetsOf } from './streams.ts';

const packetAt = (sequenceNumber: number, timestamp = 0, ssrc = 1): RtpPacket => {
  const [bytes] = packetsOf((writer) => new OpusPacketizer(writer).write(Buffer.of(0xf8), timestamp), {
    sequenceNumber,
  });
  bytes!.writeUInt32BE(ssrc, 8);
  const packet = new RtpPacket();
  packet.parse(bytes!);
  return packet;
};

describe('NackGenerator', () => {
  it('asks for each missing packet after the reorder time, again after a round trip, and gives up', () => {
    const nacks = new NackGenerator({ maxTries: 2, reorderMs: 5, minIntervalMs: 20 });
    nacks.onPacket(65_534, 0);
    expect(nacks.onPacket(1, 0)).toBe(true);
    expect(nacks.due(4, 50)).toEqual([]);
    expect([...nacks.due(5, 50)]).toEqual([65_535, 0]);
    expect(nacks.due(54, 50)).toEqual([]);
    nacks.onPacket(0, 54);
    expect([...nacks.due(55, 50)]).toEqual([65_535]);
    expect(nacks.due(105, 50)).toEqual([]);
    expect([nacks.recovered, nacks.givenUp, nacks.missing]).toEqual([1, 1, 0]);
  });

  it('asks for exactly the packets that did not arrive, at any loss and order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xff_ff }),
        fc.array(fc.nat(3), { minLength: 2, maxLength: 100 }),
        (first, fates) => {
          const nacks = new NackGenerator();
          const all = fates.map((fate, at) => ({ at, sequence: (first + at) & 0xff_ff, isLost: fate === 0 && at > 0 }));
          const arrived = all.filter(({ isLost }) => !isLost);
          // Neighbours change places.
          for (let at = 1; at + 1 < arrived.length; at += 3)
            [arrived[at], arrived[at + 1]] = [arrived[at + 1]!, arrived[at]!];
          for (const { sequence } of arrived) nacks.onPacket(sequence, 0);
          const last = Math.max(...arrived.map(({ at }) => at));
          const missing = all.filter(({ isLost, at }) => isLost && at < last).map(({ sequence }) => sequence);
          expect([...nacks.due(100, 0)]).toEqual(missing);
        },
      ),
    );
  });

  it('empties its list and says so when too many packets are missing', () => {
    const nacks = new NackGenerator({ maxMissing: 10 });
    nacks.onPacket(0, 0);
    expect(nacks.onPacket(11, 0)).toBe(true);
    expect(nacks.onPacket(13, 0)).toBe(false);
    expect(nacks.missing).toBe(0);
  });
});

describe('RetransmissionHistory', () => {
  const sent = (history: RetransmissionHistory, pool: PacketPool, count: number, bytes = 10) => {
    const writer = new RtpWriter({ ssrc: 1, payloadType: 96, sequenceNumber: 65_500, pool }, (packet) =>
      history.add(packet),
    );
    const packetizer = new OpusPacketizer(writer);
    for (let at = 0; at < count; at++) packetizer.write(Buffer.alloc(bytes, at), at);
  };

  it('finds the last packets, within its bounds of packets and bytes, and returns all others to the pool', () => {
    fc.assert(
      fc.property(
        fc.nat(200),
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 22, max: 3000 }),
        (count, power, maxBytes) => {
          const pool = new PacketPool();
          const history = new RetransmissionHistory({ maxPackets: 2 ** power, maxBytes });
          sent(history, pool, count);
          const kept = Math.min(count, 2 ** power, Math.floor(maxBytes / 22));
          expect([history.packets, history.bytes]).toEqual([kept, kept * 22]);
          expect(pool.created - pool.free).toBe(kept);
          for (let at = 0; at < count; at++) {
            const found = history.find((65_500 + at) & 0xff_ff);
            expect(found !== undefined).toBe(at >= count - kept);
            if (found) expect(found.bytes[12]).toBe(at & 0xff);
          }
          history.clear();
          expect(pool.free).toBe(pool.created);
        },
      ),
    );
  });
});

describe('ReorderBuffer', () => {
  const buffered = (options: ConstructorParameters<typeof ReorderBuffer>[2] = {}) => {
    const delivered: number[] = [];
    const pool = new PacketPool();
    const buffer = new ReorderBuffer(pool, ({ sequenceNumber }) => delivered.push(sequenceNumber), options);
    return { delivered, pool, buffer };
  };

  it('waits for a missing packet, and continues without it after the time', () => {
    const { buffer, delivered, pool } = buffered({ maxWaitMs: 100 });
    buffer.push(packetAt(65_535), 0);
    buffer.push(packetAt(1), 10);
    buffer.expire(110);
    expect(delivered).toEqual([65_535]);
    buffer.expire(111);
    expect(delivered).toEqual([65_535, 1]);
    buffer.push(packetAt(0), 112);
    expect([buffer.late, buffer.held, pool.free]).toEqual([1, 0, pool.created]);
  });

  it('holds at most the given number of packets, whatever arrives, and delivers in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 0xff_ff }), { maxLength: 300 }),
        fc.boolean(),
        (numbers, isNear) => {
          const { buffer, delivered, pool } = buffered({ maxPackets: 16 });
          for (const number of numbers) {
            buffer.push(packetAt(isNear ? number & 63 : number), 0);
            expect(buffer.held).toBeLessThanOrEqual(16);
          }
          buffer.flush();
          expect(pool.free).toBe(pool.created);
          for (const [at, sequence] of delivered.entries())
            if (at > 0 && isNear) expect(sequenceDistance(delivered[at - 1]!, sequence)).toBeGreaterThan(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('starts again when the sequence numbers jump', () => {
    const { buffer, delivered } = buffered();
    for (const sequence of [1, 2, 30_000, 30_001, 100, 101]) buffer.push(packetAt(sequence), 0);
    expect(delivered).toEqual([1, 2, 30_000, 30_001, 100, 101]);
  });
});

describe('StreamRewriter', () => {
  it('continues sequence numbers and timestamps over any number of source changes', () => {
    const source = fc.record({
      sequence: fc.integer({ min: 0, max: 0xff_ff }),
      timestamp: fc.integer({ min: 0, max: 0xff_ff_ff_ff }),
      packets: fc.integer({ min: 1, max: 30 }),
      pauseMs: fc.nat(1000),
    });
    fc.assert(
      fc.property(fc.array(source, { minLength: 1, maxLength: 6 }), (sources) => {
        const rewriter = new StreamRewriter({ ssrc: 9, clockRate: 90_000, sequenceNumber: 65_530, timestamp: 0 });
        const out: { sequence: number; timestamp: number; now: number }[] = [];
        let now = 0;
        for (const [index, { sequence, timestamp, packets, pauseMs }] of sources.entries()) {
          now += pauseMs;
          rewriter.switchTo(index + 10);
          for (let at = 0; at < packets; at++, now += 20) {
            const packet = packetAt((sequence + at) & 0xff_ff, (timestamp + at * 1800) >>> 0, index + 10);
            expect(rewriter.rewrite(packet, now)).toBe(true);
            const read = new RtpPacket();
            read.parse(packet.bytes);
            expect(read.ssrc).toBe(9);
            out.push({ sequence: read.sequenceNumber, timestamp: read.timestamp, now });
          }
          // A late packet of this source, before its first one, has no number.
          expect(rewriter.rewrite(packetAt((sequence - 1) & 0xff_ff, timestamp, index + 10), now)).toBe(false);
        }
        for (const [at, one] of out.entries()) {
          const before = out[at - 1];
          if (!before) continue;
          expect(sequenceDistance(before.sequence, one.sequence)).toBe(1);
          const ms = timestampDistance(before.timestamp, one.timestamp) / 90;
          expect(Math.abs(ms - (one.now - before.now))).toBeLessThan(1);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('passes on only packets of the current source, and keeps gaps', () => {
    const rewriter = new StreamRewriter({ ssrc: 9, clockRate: 90_000, sequenceNumber: 100, timestamp: 0 });
    expect(rewriter.rewrite(packetAt(7, 0, 1), 0)).toBe(true);
    rewriter.switchTo(2);
    expect(rewriter.rewrite(packetAt(8, 0, 1), 0)).toBe(false);
    const [first, third, second] = [packetAt(50, 0, 2), packetAt(52, 0, 2), packetAt(51, 0, 2)];
    expect([first, third, second].map((packet) => rewriter.rewrite(packet, 1))).toEqual([true, true, true]);
    expect([first, third, second].map(({ sequenceNumber }) => sequenceNumber)).toEqual([101, 103, 102]);
  });
});

describe('MediaTimeline', () => {
  const start = 1_800_000_000_000;

  it('is at the time of the sender reports, whatever the first timestamp is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xff_ff_ff_ff }), (first) => {
        const timeline = new MediaTimeline(90_000);
        timeline.onSenderReport({ unixMs: start, rtpTimestamp: first });
        for (let at = 0; at < 100; at++)
          expect(timeline.next((first + at * 3000) >>> 0, start + 70 + at * 33)).toBeCloseTo(start + (at * 100) / 3, 1);
      }),
      { numRuns: 30 },
    );
  });

  it('corrects 2 % of the error of a report per frame, and never goes back', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -200, max: 200 }), { minLength: 1, maxLength: 20 }), (errors) => {
        const timeline = new MediaTimeline(90_000);
        timeline.onSenderReport({ unixMs: start, rtpTimestamp: 0 });
        let before = timeline.next(0, start);
        let at = 0;
        for (const error of errors) {
          timeline.onSenderReport({ unixMs: start + (at * 100) / 3 + error, rtpTimestamp: at * 3000 });
          for (let frame = 0; frame < 30; frame++) {
            at++;
            const now = timeline.next(at * 3000, start + (at * 100) / 3);
            expect(now).toBeGreaterThan(before);
            expect(now - before).toBeLessThanOrEqual(100 / 3 + 0.02 * 400 + 0.01);
            before = now;
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('keeps the last mapping in a pause, so that the pause has its length', () => {
    const timeline = new MediaTimeline(48_000);
    timeline.onSenderReport({ unixMs: start, rtpTimestamp: 0 });
    timeline.next(0, start);
    expect(timeline.next(48_000 * 60, start + 60_000)).toBeCloseTo(start + 60_000, 3);
  });

  it('goes by the arrivals until the first report, and by the report from then on', () => {
    const timeline = new MediaTimeline(90_000);
    expect(timeline.next(0, start + 40)).toBe(start + 40);
    timeline.onSenderReport({ unixMs: start, rtpTimestamp: 0 });
    expect(timeline.next(9000, start + 140)).toBeCloseTo(start + 100, 3);
  });

  it('continues by the arrivals when the timestamps jump', () => {
    const timeline = new MediaTimeline(90_000);
    timeline.onSenderReport({ unixMs: start, rtpTimestamp: 0 });
    timeline.next(0, start + 30);
    expect(timeline.next(2_000_000_000, start + 63)).toBeCloseTo(start + 33, 3);
    expect(timeline.next(2_000_003_000, start + 96)).toBeGreaterThan(start + 33);
  });
});

describe('KeyFrameRequester', () => {
  it('sends one request in the interval', () => {
    let sent = 0;
    const requester = new KeyFrameRequester(() => sent++, 500);
    for (let now = 0; now <= 1000; now += 10) requester.request(now);
    expect(sent).toBe(3);
  });
});
