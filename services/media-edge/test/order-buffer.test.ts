import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OrderBuffer } from '../src/rtp/order-buffer.ts';

const holdMs = 100;

describe('an order buffer', () => {
  test('emits every packet once and in order when packets are delayed by less than the time that it waits', () => {
    const delays = fc.array(fc.nat(90), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(fc.nat(0xff_ff), delays, (first, delayOf) => {
        const emitted: number[] = [];
        const buffer = new OrderBuffer<{ sequence: number }>(holdMs, ({ sequence }) => emitted.push(sequence));
        const sequences = delayOf.map((_, index) => (first + index) & 0xff_ff);
        const arrivals = sequences
          .map((sequence, index) => ({ sequence, at: index === 0 ? 0 : index * 5 + delayOf[index]! }))
          .toSorted((a, b) => a.at - b.at);
        for (const { sequence, at } of arrivals) {
          buffer.advance(at);
          buffer.add({ sequence }, at);
        }
        buffer.flush();
        expect(emitted).toEqual(sequences);
        expect(buffer.lost).toBe(0);
      }),
    );
  });

  test('names what is missing, gives it up after the time that it waits, and drops it when it arrives later', () => {
    const emitted: number[] = [];
    const buffer = new OrderBuffer<{ sequence: number }>(holdMs, ({ sequence }) => emitted.push(sequence));
    for (const sequence of [65_534, 65_535, 1, 3]) buffer.add({ sequence }, 0);
    expect(buffer.missing()).toEqual([0, 2]);
    buffer.advance(99);
    expect(emitted).toEqual([65_534, 65_535]);
    buffer.advance(100);
    expect(emitted).toEqual([65_534, 65_535, 1]);
    buffer.advance(200);
    expect(emitted).toEqual([65_534, 65_535, 1, 3]);
    buffer.add({ sequence: 2 }, 201);
    expect(buffer).toMatchObject({ lost: 2, late: 1 });
    expect(buffer.missing()).toEqual([]);
  });

  test('begins again at a sequence number that is far away, and never holds more than 512 packets', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xff_ff), { maxLength: 2000 }), (sequences) => {
        let emitted = 0;
        const buffer = new OrderBuffer<{ sequence: number }>(holdMs, () => emitted++);
        for (const [index, sequence] of sequences.entries()) {
          buffer.add({ sequence }, index);
          expect(index + 1 - emitted - buffer.late).toBeLessThanOrEqual(512);
        }
      }),
      { numRuns: 20 },
    );
  });
});
