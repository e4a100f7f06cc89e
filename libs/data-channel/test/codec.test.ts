import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MetadataFrameSchema } from '../src/generated/metadata_pb.ts';
import {
  decodeFrame,
  encodeFrame,
  FrameError,
  type FrameErrorCode,
  type FrameInit,
  type FrameOrigin,
  frameOverhead,
  maxFrameBytes,
  maxSeqId,
  maxShards,
  stampFrame,
} from '../src/index.ts';
import { publisherFrame, relayFrame, shardFrame, stamp } from './frames.ts';

const full = (init: FrameInit) => create(MetadataFrameSchema, { body: { case: undefined }, ...init });
const withoutChecks = (init: FrameInit) => toBinary(MetadataFrameSchema, full(init));

/** The error code of decoding a frame, or `accepted`. */
function refusal(bytes: Uint8Array, from: FrameOrigin = 'publisher'): FrameErrorCode | 'accepted' {
  try {
    decodeFrame(bytes, from);
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
    return (error as FrameError).code;
  }
}

const shard = { topic: 'detections', seqId: 7, index: 0, total: 1, size: 3, payload: Uint8Array.of(1, 2, 3) };
const shardWith = (changes: object): FrameInit => ({ body: { case: 'shard', value: { ...shard, ...changes } } });
const stamped = { publisherId: 'pt_ada', routedAt: 1.8e15 };

describe('frame codec', () => {
  test('decoding an encoded frame returns its fields, from a publisher and from the relay', () => {
    const same = (from: FrameOrigin) => (init: FrameInit) => {
      const { body, stamp } = decodeFrame(encodeFrame(init), from);
      expect({ body, stamp }).toEqual({ body: full(init).body, stamp: full(init).stamp });
    };
    fc.assert(fc.property(publisherFrame, same('publisher')));
    fc.assert(fc.property(relayFrame, same('relay')));
  });

  test('encoding gives the same bytes as the generated protobuf code', () => {
    fc.assert(
      fc.property(relayFrame, (init) => {
        expect(encodeFrame(init)).toEqual(withoutChecks(init));
      }),
    );
  });

  test('stampFrame can be applied repeatedly, and the last stamp counts', () => {
    fc.assert(
      fc.property(shardFrame, stamp, stamp, (init, first, second) => {
        const frame = encodeFrame(init);
        const once = stampFrame(frame, first);
        expect(once).toEqual(encodeFrame({ ...init, stamp: first }));
        const last = { ...second, retained: true };
        expect(decodeFrame(stampFrame(once, last), 'relay')).toEqual(
          decodeFrame(encodeFrame({ ...init, stamp: last }), 'relay'),
        );
      }),
    );
  });

  test('the decoded payload is a view of the encoded bytes', () => {
    const bytes = encodeFrame(shardWith({}));
    const { body } = decodeFrame(bytes, 'publisher');
    expect(body.case === 'shard' && body.value.payload.buffer).toBe(bytes.buffer);
  });

  test('a frame with the longest names and a full payload is within the maximum frame size', () => {
    const size = (maxFrameBytes - frameOverhead) * maxShards;
    const frame = encodeFrame({
      body: {
        case: 'shard',
        value: {
          topic: 't'.repeat(128),
          seqId: maxSeqId,
          index: maxShards - 1,
          total: maxShards,
          size,
          captureTime: 1.8e15,
          reliable: true,
          retain: true,
          payload: new Uint8Array(maxFrameBytes - frameOverhead),
        },
      },
      stamp: { publisherId: 'p'.repeat(128), routedAt: 1.8e15, retained: true },
    });
    expect(frame.length).toBeLessThanOrEqual(maxFrameBytes);
  });

  test('unknown fields of a newer version are skipped', () => {
    const newer = new BinaryWriter().tag(99, WireType.LengthDelimited).string('new').finish();
    expect(refusal(Buffer.concat([encodeFrame(shardWith({})), newer]))).toBe('accepted');
  });
});

describe('frame codec refuses a frame', () => {
  const everywhere = [
    ['topic', shardWith({ topic: '' })],
    ['topic', shardWith({ topic: 'a'.repeat(129) })],
    ['topic', shardWith({ topic: 'a b' })],
    ['topic', shardWith({ topic: '../up' })],
    ['topic', shardWith({ topic: 'tópic' })],
    ['shard', shardWith({ total: 0 })],
    ['shard', shardWith({ index: 1 })],
    ['shard', shardWith({ size: 4 })],
    ['shard', shardWith({ size: 2 })],
    ['shard', shardWith({ total: 2 })],
    ['shard', shardWith({ total: maxShards + 1, size: 3 * (maxShards + 1) })],
    // Six shards of ten bytes: the sixth would be empty.
    ['shard', shardWith({ total: 6, index: 5, size: 10, payload: new Uint8Array() })],
    ['time', shardWith({ captureTime: Number.NaN })],
    ['time', shardWith({ captureTime: -1 })],
    ['time', shardWith({ captureTime: Number.POSITIVE_INFINITY })],
    ['time', { body: { case: 'timeRequest', value: { t1: Number.NaN } } }],
    ['unknown-kind', {}],
  ] satisfies [FrameErrorCode, FrameInit][];

  test.each(everywhere)('with an invalid %s, encoded or decoded (case %#)', (code, init) => {
    expect(refusal(withoutChecks(init))).toBe(code);
    expect(() => encodeFrame(init)).toThrow(expect.objectContaining({ name: 'FrameError', code }));
  });

  test.each<[FrameErrorCode, FrameInit]>([
    ['publisher', { ...shardWith({}), stamp: { ...stamped, publisherId: 'not a name' } }],
    ['time', { ...shardWith({}), stamp: { ...stamped, routedAt: -1 } }],
    ['time', { ...shardWith({}), stamp: { publisherId: 'p' } }],
    ['time', { body: { case: 'timeResponse', value: { t1: 1, t2: 2, t3: Number.NaN } } }],
    ['range', { body: { case: 'lossNotice', value: { topic: 'a', publisherId: 'p', fromSeqId: 2, toSeqId: 1 } } }],
    ['publisher', { body: { case: 'lossNotice', value: { topic: 'a' } } }],
    ['publisher', { body: { case: 'modeSwitch', value: { topic: 'a' } } }],
  ])('with an invalid %s from the relay (case %#)', (code, init) => {
    expect(refusal(withoutChecks(init), 'relay')).toBe(code);
  });

  test.each<[FrameOrigin, FrameInit]>([
    ['publisher', { ...shardWith({}), stamp: stamped }],
    ['publisher', { ...shardWith({}), stamp: {} }],
    ['publisher', { body: { case: 'timeResponse', value: { t1: 1, t2: 2, t3: 3 } } }],
    ['publisher', { body: { case: 'lossNotice', value: { topic: 'a', publisherId: 'p' } } }],
    ['publisher', { body: { case: 'modeSwitch', value: { topic: 'a', publisherId: 'p' } } }],
    ['relay', shardWith({})],
    ['relay', { body: { case: 'timeRequest', value: { t1: 1 } } }],
    ['relay', { body: { case: 'timeResponse', value: { t1: 1 } }, stamp: stamped }],
  ])('that a %s must not send (case %#)', (from, init) => {
    expect(refusal(withoutChecks(init), from)).toBe('direction');
  });

  test('above the maximum size, encoded, stamped or decoded', () => {
    const long = shardWith({ size: maxFrameBytes, payload: new Uint8Array(maxFrameBytes) });
    const tooLarge = expect.objectContaining({ code: 'too-large' });
    expect(() => encodeFrame(long)).toThrow(tooLarge);
    expect(refusal(withoutChecks(long))).toBe('too-large');
    expect(() => stampFrame(encodeFrame(shardWith({}), 100), stamped, 40)).toThrow(tooLarge);
    expect(decodeFrame(encodeFrame(long, 20_000), 'publisher', 20_000).body.case).toBe('shard');
  });

  test('with a number out of range, and encodes the next one', () => {
    expect(() => encodeFrame(shardWith({ seqId: 2 ** 32 }))).toThrow(expect.objectContaining({ code: 'malformed' }));
    expect(() => encodeFrame(shardWith({ seqId: 1.5 }))).toThrow(FrameError);
    expect(encodeFrame(shardWith({}))).toEqual(withoutChecks(shardWith({})));
  });
});

describe('frame codec with arbitrary bytes', () => {
  const origin = fc.constantFrom<FrameOrigin>('publisher', 'relay');
  /** An accepted frame can be encoded, decoded and stamped without a change. */
  const expectConsistent = (bytes: Uint8Array, from: FrameOrigin) => {
    if (refusal(bytes, from) !== 'accepted') return;
    const frame = decodeFrame(bytes, from);
    const again = encodeFrame({ body: frame.body, ...(frame.stamp && { stamp: frame.stamp }) });
    expect(decodeFrame(again, from)).toEqual(frame);
    if (from === 'publisher' && frame.body.case === 'shard') {
      const routed = decodeFrame(stampFrame(bytes, stamped, 2 * maxFrameBytes), 'relay', 2 * maxFrameBytes);
      expect(routed.body).toEqual(frame.body);
      expect(routed.stamp).toMatchObject({ ...stamped, retained: false });
    }
  };

  test('random bytes are accepted or refused with a FrameError', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), origin, expectConsistent), { numRuns: 20_000 });
  });

  test('mutated frames are accepted or refused with a FrameError', () => {
    const small = fc
      .oneof(publisherFrame, relayFrame)
      .map((init) => encodeFrame(init))
      .filter(({ length }) => length < 2000);
    const edit = fc.record({ at: fc.nat(), cut: fc.nat(8), put: fc.uint8Array({ maxLength: 8 }) });
    const mutated = fc
      .tuple(small, fc.array(edit, { minLength: 1, maxLength: 4 }), fc.option(small))
      .map(([frame, edits, more]) => {
        let bytes = [...frame];
        // Most fields are in the first 60 bytes.
        for (const { at, cut, put } of edits) bytes.splice(at % Math.min(bytes.length + 1, 60), cut, ...put);
        if (more) bytes = [...bytes, ...more];
        return Uint8Array.from(bytes);
      });
    fc.assert(fc.property(mutated, origin, expectConsistent), { numRuns: 5000 });
  });
});
