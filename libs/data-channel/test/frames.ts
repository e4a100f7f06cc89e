// Arbitrary frames.
import fc from 'fast-check';
import { type FrameInit, frameOverhead, maxFrameBytes, maxSeqId, type StampInit } from '../src/index.ts';
import { shardBytes, shardCount } from '../src/shards/layout.ts';

const first = fc.constantFrom('a', 'z', 'A', 'Z', '0', '9');
const rest = fc.string({ unit: fc.constantFrom('a', 'Z', '0', '_', '.', '/', ':', '-'), maxLength: 127 });
export const topic = fc.tuple(first, rest).map((parts) => parts.join(''));
export const publisherId = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', '_', '.', '@', ':', '+', '-'),
  minLength: 1,
  maxLength: 128,
});
export const seqId = fc.integer({ min: 0, max: maxSeqId });
/** Microseconds since the Unix epoch; 0: unknown. */
export const time = fc.double({ min: 0, max: 2 ** 52, noNaN: true }).map(Math.abs);

export const stamp: fc.Arbitrary<StampInit> = fc.record({
  publisherId,
  routedAt: time.map((at) => at + 1),
  retained: fc.boolean(),
});

/** A shard with a valid layout. */
const shard = fc
  .record({
    size: fc.oneof(fc.nat(300), fc.nat(200_000)),
    most: fc.integer({ min: 10, max: maxFrameBytes - frameOverhead }),
    at: fc.nat(),
  })
  .chain(({ size, most, at }) => {
    const total = shardCount(size, most);
    const index = at % total;
    const each = shardBytes(size, total);
    const length = Math.min(each, size - index * each);
    return fc.record({
      topic,
      seqId,
      index: fc.constant(index),
      total: fc.constant(total),
      size: fc.constant(size),
      captureTime: time,
      reliable: fc.boolean(),
      retain: fc.boolean(),
      payload: fc.nat(255).map((seed) => Uint8Array.from({ length }, (_, at) => (seed + at * 7) & 255)),
    });
  });

export const shardFrame: fc.Arbitrary<FrameInit> = shard.map((value) => ({
  body: { case: 'shard', value },
}));

export const publisherFrame: fc.Arbitrary<FrameInit> = fc.oneof(
  { arbitrary: shardFrame, weight: 4 },
  time.map((t1): FrameInit => ({ body: { case: 'timeRequest', value: { t1 } } })),
  fc
    .record({ topic, reliable: fc.boolean(), firstSeqId: seqId })
    .map((value): FrameInit => ({ body: { case: 'modeSwitch', value } })),
);

export const relayFrame: fc.Arbitrary<FrameInit> = fc.oneof(
  { arbitrary: fc.tuple(shardFrame, stamp).map(([frame, stamp]): FrameInit => ({ ...frame, stamp })), weight: 4 },
  fc.record({ t1: time, t2: time, t3: time }).map((value): FrameInit => ({ body: { case: 'timeResponse', value } })),
  fc.record({ topic, publisherId, ids: fc.tuple(seqId, seqId) }).map(({ ids: [one, other], ...value }): FrameInit => ({
    body: {
      case: 'lossNotice',
      value: { ...value, fromSeqId: Math.min(one, other), toSeqId: Math.max(one, other) },
    },
  })),
  fc
    .record({ topic, publisherId, reliable: fc.boolean(), firstSeqId: seqId })
    .map((value): FrameInit => ({ body: { case: 'modeSwitch', value } })),
);
