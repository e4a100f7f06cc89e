import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ForwardedTrack } from '../src/forwarded-track.ts';
import { sequenceOf, ssrcOf, timestampOf } from '../src/rtp.ts';

const newTrack = (): ForwardedTrack =>
  new ForwardedTrack({
    kind: 'video',
    source: 'camera',
    cname: 'camera',
    codec: { mimeType: 'video/H264', payloadType: 102, clockRate: 90_000 },
  });
const payload = Buffer.from([1]);
const packet = (ssrc: number, sequence: number, timestamp: number, payloads: readonly Buffer[] = [payload]) => ({
  ssrc,
  sequence: sequence & 0xff_ff,
  timestamp: timestamp >>> 0,
  marker: true,
  payloads,
});

/** Starts the track on a transport and collects its packets. */
function started(track: ForwardedTrack, ssrc: number) {
  const packets: Buffer[] = [];
  const control = track.start({ ssrc, send: (sent) => packets.push(sent) });
  return { packets, control };
}
const stepsOf = (packets: readonly Buffer[]): number[] =>
  packets.slice(1).map((sent, index) => (sequenceOf(sent) - sequenceOf(packets[index]!)) & 0xff_ff);

describe('a forwarded track', () => {
  test('has consecutive sequence numbers and a rising timestamp over any changes of its source', () => {
    const sources = fc.array(
      fc.record({
        ssrc: fc.nat(3),
        sequence: fc.nat(0xff_ff),
        timestamp: fc.nat(0xff_ff_ff_ff),
        packets: fc.integer({ min: 1, max: 5 }),
        payloads: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 10 },
    );
    fc.assert(
      fc.property(sources, (runs) => {
        const track = newTrack();
        const { packets } = started(track, 5);
        let now = 0;
        for (const run of runs) {
          const payloads = Array.from({ length: run.payloads }, () => payload);
          for (let index = 0; index < run.packets; index++) {
            now += 33;
            track.write(packet(run.ssrc, run.sequence + index, run.timestamp + index * 2970, payloads), now);
          }
        }
        for (const step of stepsOf(packets)) expect(step).toBeLessThan(3001);
        for (const [index, sent] of packets.slice(1).entries()) {
          const advance = (timestampOf(sent) - timestampOf(packets[index]!)) | 0;
          expect(advance).toBeGreaterThan(-90_000 * 6);
          expect(advance).toBeLessThan(90_000 * 6);
        }
      }),
    );
  });

  test('keeps gaps within a source, and closes those between two sources', () => {
    const track = newTrack();
    const { packets } = started(track, 5);
    track.write(packet(1, 65_534, 0), 0);
    track.write(packet(1, 2, 2970), 33);
    track.write(packet(2, 40_000, 777), 1033);
    track.write(packet(2, 40_001, 777 + 2970), 1066);
    expect(stepsOf(packets)).toEqual([4, 1, 1]);
    const times = packets.map(timestampOf);
    expect(times.map((time) => (time - times[0]!) >>> 0)).toEqual([0, 2970, 92_970, 95_940]);
  });

  test('continues by the time that passed when the clock of its source jumps', () => {
    const track = newTrack();
    const { packets } = started(track, 5);
    track.write(packet(1, 1, 0), 0);
    track.write(packet(1, 2, 90_000 * 3600), 33);
    expect(timestampOf(packets[1]!) - timestampOf(packets[0]!)).toBe(2970);
  });

  test('marks only the last of several payloads of a packet', () => {
    const track = newTrack();
    const { packets } = started(track, 5);
    track.write(packet(1, 1, 0, [payload, payload, payload]), 0);
    expect(packets.map((sent) => sent[1]! >> 7)).toEqual([0, 0, 1]);
    expect(packets.map((sent) => sent[1]! & 127)).toEqual([102, 102, 102]);
  });

  test('is sent on two transports with an SSRC of their own, until one is stopped', () => {
    const track = newTrack();
    const [first, second] = [started(track, 5), started(track, 6)];
    track.write(packet(1, 1, 0), 0);
    first.control.stop();
    track.write(packet(1, 2, 2970), 33);
    expect(first.packets.map(ssrcOf)).toEqual([5]);
    expect(second.packets.map(ssrcOf)).toEqual([6, 6]);
    expect(first.control.rtpTimeAt!(66)).toBe((timestampOf(second.packets[1]!) + 2970) >>> 0);
  });
});
