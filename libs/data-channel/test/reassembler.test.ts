import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Shard } from '../src/generated/metadata_pb.ts';
import { FrameError, maxSeqId, maxShardBytes, shardBytes, split } from '../src/index.ts';
import { messageOf, one, retained, shardOf, shardsOf, Stream } from './stream.ts';

/** Sizes of messages of one to seven shards. Message 0 has one shard and starts the sequence. */
const sizes = fc.array(fc.nat(700), { minLength: 1, maxLength: 30 }).map((rest) => [10, ...rest]);

/** The shards of all messages after the first, in any order, each delivered 0, 1 or 2 times. */
const delivery = sizes.chain((sizes) => {
  const shards = sizes.flatMap((size, seqId) => (seqId === 0 ? [] : shardsOf(seqId, size)));
  return fc.record({
    sizes: fc.constant(sizes),
    order: fc.shuffledSubarray(shards, { minLength: shards.length, maxLength: shards.length }),
    times: fc.array(fc.constantFrom(0, 1, 1, 1, 2), { minLength: shards.length, maxLength: shards.length }),
    spots: fc.array(fc.nat(), { minLength: shards.length, maxLength: shards.length }),
  });
});

const wide = { windowBytes: 1e9, windowMessages: 1000 };

function expectWhole(stream: Stream, sizes: readonly number[]): void {
  for (const { seqId, bytes } of stream.delivered) expect(bytes).toEqual(messageOf(seqId, sizes[seqId]!));
}

describe('split', () => {
  test('returns views of at most the given size that concatenate to the message', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.integer({ min: 1, max: 6000 }), (size, most) => {
        const message = messageOf(1, size);
        const parts = [...split(message, most)];
        expect(Buffer.concat(parts.map(({ payload }) => payload))).toEqual(Buffer.from(message));
        for (const [at, part] of parts.entries()) {
          expect(part).toMatchObject({ index: at, total: parts.length, size });
          expect(part.payload.length).toBeLessThanOrEqual(most);
          expect(part.payload.buffer).toBe(message.buffer);
        }
      }),
    );
  });

  test('refuses a message of more than 65,536 shards', () => {
    expect(() => [...split(new Uint8Array(65_537), 1)]).toThrow(FrameError);
    expect(() => [...split(new Uint8Array(10), 0)]).toThrow(FrameError);
  });
});

describe('Reassembler', () => {
  test('delivers messages in order for any order of their shards, and refuses duplicates', () => {
    fc.assert(
      fc.property(delivery, ({ sizes, order, times }) => {
        const stream = new Stream(wide);
        stream.accept(one(0));
        for (const [at, shard] of order.entries()) {
          expect(stream.accept(shard)).toBeUndefined();
          if (times[at] === 2) expect(stream.accept(shard)).toMatch(/duplicate|stale/);
        }
        expect(stream.ids).toEqual([...sizes.keys()]);
        expectWhole(stream, sizes);
        expect(stream.losses).toEqual([]);
        expect(stream.reassembler.heldBytes).toBe(0);
      }),
    );
  });

  test('delivers each message whose shards all arrive and reports each other one as lost', () => {
    fc.assert(
      fc.property(delivery, ({ sizes, order, times }) => {
        const stream = new Stream(wide);
        stream.accept(one(0));
        const sent = order.filter((_, at) => times[at]! > 0);
        for (const shard of sent) stream.accept(shard);
        stream.settle();
        const newest = Math.max(0, ...sent.map(({ seqId }) => seqId));
        const whole = (seqId: number) =>
          shardsOf(seqId, sizes[seqId]!).every((shard) =>
            sent.some((other) => other.seqId === seqId && other.index === shard.index),
          );
        const seen = [...sizes.keys()].slice(0, newest + 1);
        expect(stream.ids).toEqual(seen.filter((seqId) => seqId === 0 || whole(seqId)));
        expect(stream.lostIds).toEqual(seen.filter((seqId) => seqId !== 0 && !whole(seqId)));
        expectWhole(stream, sizes);
        expect(stream.reassembler.heldBytes).toBe(0);
      }),
    );
  });

  test('ignores forged shards of known messages and implausible sequence ids', () => {
    const forgery = fc.constantFrom<[(shard: Shard) => Partial<Shard>, RegExp]>(
      [({ total }) => ({ total: total + 1 }), /contradiction|stale/],
      [({ size }) => ({ size: size + 1 }), /contradiction|stale/],
      [() => ({ captureTime: 1 }), /contradiction|stale/],
      [({ payload }) => ({ payload: payload.map((byte) => byte ^ 255) }), /duplicate|stale/],
      [({ index }) => ({ seqId: 1_000_000 + 2 * index }), /jump/],
      [({ index }) => ({ seqId: maxSeqId - 2 * index }), /jump/],
      [() => ({ seqId: 0 }), /stale/],
    );
    fc.assert(
      fc.property(delivery, fc.array(forgery, { minLength: 1 }), ({ sizes, order, times, spots }, forgeries) => {
        const stream = new Stream(wide);
        stream.accept(one(0));
        let refused = 0;
        for (const [at, shard] of order.entries()) {
          stream.accept(shard);
          if (times[at] !== 2) continue;
          // Forges a shard that was received: the first one counts.
          const victim = order[spots[at]! % (at + 1)]!;
          const before = stream.reassembler.heldBytes;
          const [forge, refusal] = forgeries[at % forgeries.length]!;
          expect(stream.accept(shardOf({ ...victim, ...forge(victim) }))).toMatch(refusal);
          expect(stream.reassembler.heldBytes).toBe(before);
          refused++;
        }
        expect(stream.ids).toEqual([...sizes.keys()]);
        expectWhole(stream, sizes);
        expect(Object.values(stream.reassembler.refused).reduce((sum, count) => sum + count)).toBe(refused);
      }),
    );
  });
});

describe('Reassembler with a hostile sender', () => {
  const anyShard = fc
    .record({
      seqId: fc.oneof(
        { arbitrary: fc.nat(40), weight: 30 },
        { arbitrary: fc.nat(10_000), weight: 1 },
        { arbitrary: fc.constantFrom(maxSeqId, maxSeqId - 1, 5000, 5001), weight: 1 },
      ),
      size: fc.oneof(fc.nat(100), fc.nat(5000), fc.nat(1_000_000)),
      total: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 65_536 })),
      at: fc.nat(),
      retain: fc.constantFrom(true, false, false, false),
      wait: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, 50, 600),
      notice: fc.oneof(
        { arbitrary: fc.constant(undefined), weight: 30 },
        { arbitrary: fc.tuple(fc.nat(60), fc.nat(20)), weight: 1 },
      ),
    })
    .filter(({ size, total }) => size > shardBytes(size, total) * (total - 1) && shardBytes(size, total) <= 4000);

  const limits = { windowBytes: 6000, windowMessages: 16, maxMessageBytes: 3000 };
  const bound = 2 * (limits.windowBytes + limits.maxMessageBytes);

  test('keeps its memory bound, delivers each message once or reports it lost, and ends each sink once', () => {
    fc.assert(
      fc.property(fc.array(anyShard, { maxLength: 200, size: 'max' }), (sent) => {
        const sinks: { size: number; written: number; ends: string[] }[] = [];
        const stream = new Stream({
          ...limits,
          stream: ({ size }) => {
            const sink = { size, written: 0, ends: [] as string[] };
            sinks.push(sink);
            return {
              write: ({ length }) => (sink.written += length),
              end: () => sink.ends.push(sink.written === size ? 'whole' : 'short'),
              abort: () => sink.ends.push('aborted'),
            };
          },
        });
        for (const { at, size, total, seqId, wait, retain, notice } of sent) {
          stream.now += wait;
          if (notice) stream.reassembler.skip(notice[0], notice[0] + notice[1]);
          const index = at % total;
          const each = shardBytes(size, total);
          const payload = new Uint8Array(Math.min(each, size - index * each));
          stream.accept(shardOf({ seqId, index, total, size, payload }), retain ? retained : undefined);
          expect(stream.reassembler.heldBytes).toBeLessThanOrEqual(bound);
        }
        stream.settle();
        expect(stream.reassembler.heldBytes).toBe(0);
        const inOrder = stream.delivered.filter(({ info }) => !info.stamp).map(({ seqId }) => seqId);
        expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
        expect(new Set(stream.ids).size).toBe(stream.ids.length);
        for (const { fromSeqId, toSeqId } of stream.losses) {
          expect(fromSeqId).toBeLessThanOrEqual(toSeqId);
          expect(inOrder.some((seqId) => seqId >= fromSeqId && seqId <= toSeqId)).toBe(false);
        }
        for (const { ends } of sinks) expect([['whole'], ['aborted']]).toContainEqual(ends);
      }),
      { numRuns: 1000 },
    );
  });

  test('counts the overhead of one-byte shards towards the memory bound', () => {
    const stream = new Stream();
    stream.accept(one(0));
    // All but the first of 65,536 shards, so that all are buffered.
    const shards = shardsOf(1, 65_536, 1).slice(1);
    for (const shard of shards) stream.accept(shard);
    expect(stream.reassembler.heldBytes).toBeLessThanOrEqual(1024 * 1024 + 256 * 1024);
    expect(stream.losses).toEqual([{ fromSeqId: 1, toSeqId: 1, reason: 'memory' }]);
  });
});

describe('Reassembler with a gap in the sequence', () => {
  test('blocks later messages until the deadline of the gap, then delivers them', () => {
    const stream = new Stream({ gapTimeoutMs: 100 });
    stream.accept(one(0));
    stream.now = 10;
    stream.accept(one(3));
    expect(stream.reassembler.deadline).toBe(110);
    stream.now = 50;
    stream.accept(one(4));
    stream.now = 109;
    stream.reassembler.expire();
    expect(stream.ids).toEqual([0]);
    stream.now = 110;
    stream.reassembler.expire();
    expect(stream.ids).toEqual([0, 3, 4]);
    expect(stream.losses).toEqual([{ fromSeqId: 1, toSeqId: 2, reason: 'deadline' }]);
    expect(stream.accept(one(1))).toBe('stale');
    expect(stream.reassembler.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test('skips all gaps whose deadline is over at once', () => {
    const stream = new Stream({ gapTimeoutMs: 100 });
    for (const seqId of [0, 2, 4, 6]) stream.accept(one(seqId));
    stream.now = 100;
    stream.reassembler.expire();
    expect(stream.ids).toEqual([0, 2, 4, 6]);
  });

  test('waits idleTimeoutMs for the rest of a message that blocks no other', () => {
    const stream = new Stream({ gapTimeoutMs: 100, idleTimeoutMs: 1000 });
    stream.accept(one(0));
    stream.accept(shardsOf(1, 200)[0]!);
    expect(stream.reassembler.deadline).toBe(1000);
    stream.now = 500;
    stream.accept(one(2));
    expect(stream.reassembler.deadline).toBe(600);
    stream.now = 600;
    stream.reassembler.expire();
    expect(stream.ids).toEqual([0, 2]);
  });

  describe('on a channel without retransmission', () => {
    const send = (stream: Stream, ...seqIds: number[]) => {
      for (const seqId of seqIds) stream.accept(one(seqId), undefined, true);
    };
    const wait = (stream: Stream, now: number) => {
      stream.now = now;
      stream.reassembler.expire();
    };

    test('waits reorderMs for reordered messages', () => {
      const stream = new Stream({ gapTimeoutMs: 100, reorderMs: 20 });
      send(stream, 0, 2);
      wait(stream, 19);
      send(stream, 1);
      expect(stream.ids).toEqual([0, 1, 2]);
      send(stream, 4);
      wait(stream, 39);
      expect(stream.ids).toEqual([0, 1, 2, 4]);
      expect(stream.losses).toEqual([{ fromSeqId: 3, toSeqId: 3, reason: 'deadline' }]);
    });

    test('waits gapTimeoutMs when the missing message may have been sent on a channel with retransmission', () => {
      const stream = new Stream({ gapTimeoutMs: 100, reorderMs: 20 });
      stream.accept(one(0));
      send(stream, 2, 4);
      wait(stream, 99);
      expect(stream.ids).toEqual([0]);
      stream.accept(one(1));
      expect(stream.ids).toEqual([0, 1, 2]);
      wait(stream, 99);
      expect(stream.ids).toEqual([0, 1, 2, 4]);
    });

    test('waits gapTimeoutMs after messages are sent with retransmission again', () => {
      const stream = new Stream({ gapTimeoutMs: 100, reorderMs: 20 });
      send(stream, 0, 1);
      stream.accept(one(3));
      wait(stream, 99);
      expect(stream.ids).toEqual([0, 1]);
      wait(stream, 100);
      expect(stream.ids).toEqual([0, 1, 3]);
    });

    test('waits reorderMs for the missing shards of a message only after a newer message arrived', () => {
      const stream = new Stream({ gapTimeoutMs: 100, reorderMs: 20 });
      send(stream, 0);
      const [first, second] = shardsOf(1, 200) as [Shard, Shard];
      stream.accept(first, undefined, true);
      wait(stream, 90);
      stream.accept(second, undefined, true);
      expect(stream.ids).toEqual([0, 1]);
      stream.accept(shardsOf(2, 200)[0]!, undefined, true);
      send(stream, 3);
      wait(stream, 109);
      expect(stream.ids).toEqual([0, 1]);
      wait(stream, 110);
      expect(stream.ids).toEqual([0, 1, 3]);
    });
  });

  test('skips the gap when the window is full', () => {
    const stream = new Stream({ windowMessages: 4 });
    for (const seqId of [0, 2, 3, 4]) stream.accept(one(seqId));
    expect(stream.ids).toEqual([0]);
    stream.accept(one(5));
    expect(stream.ids).toEqual([0, 2, 3, 4, 5]);
    expect(stream.losses).toEqual([{ fromSeqId: 1, toSeqId: 1, reason: 'window' }]);
  });

  test('does not wait for messages in a loss notice, whether it arrives before or after the next message', () => {
    const stream = new Stream();
    stream.accept(one(0));
    stream.accept(one(3));
    stream.reassembler.skip(1, 2);
    expect(stream.ids).toEqual([0, 3]);
    stream.reassembler.skip(5, 6);
    stream.accept(one(7));
    expect(stream.ids).toEqual([0, 3]);
    stream.accept(one(4));
    expect(stream.ids).toEqual([0, 3, 4, 7]);
    expect(stream.losses.map(({ reason }) => reason)).toEqual(['notice', 'notice']);
  });

  test('accepts a jump of the sequence id after two consecutive ids', () => {
    const stream = new Stream();
    stream.accept(one(0));
    expect(stream.accept(one(10_000))).toBe('jump');
    expect(stream.accept(one(1))).toBeUndefined();
    expect(stream.accept(one(20_000))).toBe('jump');
    expect(stream.accept(one(20_000))).toBe('jump');
    expect(stream.accept(one(20_001))).toBeUndefined();
    expect(stream.ids).toEqual([0, 1, 20_001]);
    expect(stream.losses).toEqual([{ fromSeqId: 2, toSeqId: 20_000, reason: 'jump' }]);
  });
});

describe('Reassembler with a file', () => {
  const file = { size: 50 * 1024 * 1024, total: Math.ceil((50 * 1024 * 1024) / maxShardBytes) };
  const each = shardBytes(file.size, file.total);
  const filePart = (index: number) =>
    shardOf({
      seqId: 1,
      ...file,
      index,
      payload: new Uint8Array(Math.min(each, file.size - index * each)).fill(index),
    });

  test('writes 50 MiB to its sink without buffering', () => {
    let [written, ended, most] = [0, 0, 0];
    const stream = new Stream({
      stream: (info) => {
        expect(info).toMatchObject({ seqId: 1, size: file.size });
        return {
          write: (bytes) => {
            if (bytes[0] === ((written / each) & 255)) written += bytes.length;
          },
          end: () => ended++,
          abort: () => expect.fail(),
        };
      },
    });
    stream.accept(one(0));
    for (let index = 0; index < file.total; index++) {
      stream.accept(filePart(index));
      most = Math.max(most, stream.reassembler.heldBytes);
    }
    stream.accept(one(2));
    expect([written, ended]).toEqual([file.size, 1]);
    expect(most).toBeLessThan(1024);
    expect(stream.ids).toEqual([0, 2]);
  });

  test('aborts an incomplete file after a timeout from its last shard', () => {
    const events: string[] = [];
    const sink = {
      write: () => events.push('write'),
      end: () => events.push('end'),
      abort: () => events.push('abort'),
    };
    const stream = new Stream({ gapTimeoutMs: 100, stream: () => sink });
    stream.accept(one(0));
    for (const index of [0, 1]) {
      stream.now += 90;
      stream.accept(filePart(index));
    }
    stream.accept(one(2));
    expect(stream.ids).toEqual([0]);
    stream.settle();
    expect(stream.now).toBe(280);
    expect(events).toEqual(['write', 'write', 'abort']);
    expect(stream.ids).toEqual([0, 2]);
  });

  test('refuses a file without a stream callback, and reports it lost when the callback declines it', () => {
    const none = new Stream();
    expect(none.accept(filePart(0))).toBe('too-large');
    const unwanted = new Stream({ stream: () => undefined });
    unwanted.accept(filePart(0));
    unwanted.accept(one(2));
    expect(unwanted.ids).toEqual([2]);
    expect(unwanted.losses).toEqual([{ fromSeqId: 1, toSeqId: 1, reason: 'unwanted' }]);
  });

  test('aborts an incomplete file on close', () => {
    const events: string[] = [];
    const stream = new Stream({
      stream: () => ({ write: () => {}, end: () => {}, abort: () => events.push('abort') }),
    });
    stream.accept(filePart(0));
    stream.reassembler.close();
    expect(events).toEqual(['abort']);
    expect(stream.reassembler.heldBytes).toBe(0);
  });
});

describe('Reassembler with a retained message', () => {
  test('delivers it and reports no loss between it and the first message of the sequence', () => {
    const stream = new Stream();
    for (const shard of shardsOf(5, 350)) stream.accept(shard, retained);
    stream.accept(one(100));
    stream.accept(one(101));
    expect(stream.ids).toEqual([5, 100, 101]);
    expect(stream.delivered[0]!.info.stamp?.retained).toBe(true);
    expect(stream.losses).toEqual([]);
  });

  test('delivers it after messages of the sequence when its shards arrive later', () => {
    const stream = new Stream();
    const [first, ...others] = shardsOf(5, 350);
    stream.accept(first!, retained);
    stream.accept(one(100));
    for (const shard of others) stream.accept(shard, retained);
    expect(stream.ids).toEqual([100, 5]);
  });

  test('delivers a message once, retained or in the sequence', () => {
    const stream = new Stream();
    stream.accept(one(5), retained);
    expect(stream.accept(one(5), retained)).toBe('stale');
    expect(stream.accept(one(5))).toBe('stale');
    stream.accept(one(6));
    expect(stream.accept(one(6), retained)).toBe('stale');
    expect(stream.ids).toEqual([5, 6]);
  });
});
