import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bye,
  fullIntraRequest,
  nack,
  pictureLoss,
  readRtcp,
  receiverReport,
  senderReport,
  sequenceDistance,
  sourceDescription,
} from '../src/index.ts';

const ssrc = fc.integer({ min: 0, max: 0xff_ff_ff_ff });
const word = ssrc;
const block = fc.record({
  ssrc,
  fractionLost: fc.integer({ min: 0, max: 255 }),
  lost: fc.integer({ min: -0x80_00_00, max: 0x7f_ff_ff }),
  highestSequence: word,
  jitter: word,
  lastSenderReport: word,
  delay: word,
});
const blocks = fc.array(block, { maxLength: 31 });
const read = (...parts: Buffer[]) => [...readRtcp(Buffer.concat(parts))];

describe('RTCP messages are the same after they were written and parsed', () => {
  it('reports', () => {
    fc.assert(
      fc.property(ssrc, word, blocks, fc.integer({ min: 0, max: 4_000_000_000_000 }), (from, value, list, unixMs) => {
        const fields = { ssrc: from, rtpTimestamp: value, packets: value, octets: value };
        const [sent, received] = read(senderReport({ ...fields, unixMs }, list), receiverReport(from, list));
        expect(sent).toMatchObject({ type: 'sender report', ...fields, blocks: list });
        expect(sent!.type === 'sender report' && Math.abs(sent!.unixMs - unixMs)).toBeLessThan(0.001);
        expect(received).toEqual({ type: 'receiver report', ssrc: from, blocks: list });
      }),
    );
  });

  it('source descriptions of any length, between others', () => {
    fc.assert(
      fc.property(ssrc, fc.string({ unit: 'grapheme', maxLength: 60 }), (from, cname) => {
        const rest = bye([from]);
        expect(read(sourceDescription(from, cname), rest)).toEqual([
          { type: 'source description', ssrc: from, cname },
          { type: 'bye', ssrc: from },
        ]);
      }),
    );
  });

  it('key frame requests', () => {
    expect(read(pictureLoss(1, 2), fullIntraRequest(1, 3, 258))).toEqual([
      { type: 'picture loss', ssrc: 2 },
      { type: 'full intra request', ssrc: 3, commandSequence: 2 },
    ]);
  });

  it('requests for lost packets, also across the wrap-around', () => {
    const steps = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xff_ff }), steps, (first, distances) => {
        let at = first;
        const lost = distances.map((step) => (at = (at + step) & 0xff_ff));
        expect(read(nack(1, 2, lost))).toEqual([{ type: 'nack', ssrc: 2, sequences: lost }]);
        expect(lost.every((one, index) => index === 0 || sequenceDistance(lost[index - 1]!, one) > 0)).toBe(true);
      }),
    );
  });
});
