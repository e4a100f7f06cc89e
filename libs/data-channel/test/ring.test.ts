import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createRing, RingConsumer, RingProducer } from '../src/ring/index.ts';
import { allocatedBy } from './allocations.ts';
import { isNumberedFrame, longestFrame, numberedFrame, tagOf } from './numbered-frames.ts';

const ends = (memory: SharedArrayBuffer) => ({
  producer: new RingProducer(memory),
  consumer: new RingConsumer(memory),
});
const frame = (length: number, byte = length) => new Uint8Array(length).fill(byte);
const worker = (role: string, memory: SharedArrayBuffer, count: number) =>
  new Worker(new URL('./ring-worker.ts', import.meta.url), { workerData: { role, memory, count } });

describe('ring within one thread', () => {
  const steps = fc.array(fc.oneof(fc.constant('pop' as const), fc.nat(100), fc.nat(12)), {
    maxLength: 400,
    size: 'max',
  });
  /** Initial positions, which are counted modulo 2^32. */
  const begins = fc.constantFrom(0, 8, -8, -64, 2 ** 31 - 64);

  test('returns the pushed frames in order across wrap-arounds, and accepts a frame whenever it is empty', () => {
    fc.assert(
      fc.property(steps, begins, (steps, begin) => {
        const memory = createRing(256, 100);
        const positions = new Int32Array(memory);
        positions[0] = positions[16] = begin;
        const { producer, consumer } = ends(memory);
        const model: Uint8Array[] = [];
        for (const [at, step] of steps.entries()) {
          if (step === 'pop') {
            const expected = model.shift();
            expect(consumer.tryPop()).toEqual(expected);
            if (expected) expect(consumer.tag).toBe(tagOf(expected.length));
          } else {
            const pushed = producer.tryPush(frame(step, at), tagOf(step));
            if (pushed) model.push(frame(step, at));
            else expect(model.length).toBeGreaterThan(0);
          }
        }
        for (const left of model) expect(consumer.tryPop()).toEqual(left);
        expect(consumer.tryPop()).toBeUndefined();
      }),
    );
  });

  test('refuses a frame when it is full and accepts one after a pop', () => {
    const { producer, consumer } = ends(createRing(1024, 120));
    let pushed = 0;
    while (producer.tryPush(frame(120, pushed))) pushed++;
    expect(pushed).toBe(8);
    expect(consumer.tryPop()).toEqual(frame(120, 0));
    expect(producer.tryPush(frame(120, pushed))).toBe(true);
    for (let at = 1; at <= pushed; at++) expect(consumer.tryPop()).toEqual(frame(120, at));
  });

  test('refuses frames above the maximum and invalid capacities', () => {
    expect(() => ends(createRing(1024, 100)).producer.tryPush(frame(101))).toThrow(RangeError);
    for (const [capacity, longest] of [
      [1000, 100],
      [1024, 600],
      [1024, 0],
      [0, 1],
    ] as const)
      expect(() => createRing(capacity, longest)).toThrow(RangeError);
  });

  test('allocates less than 1 byte per frame', async () => {
    const { producer, consumer } = ends(createRing());
    const sent = Array.from({ length: 64 }, (_, at) => frame(16 * at, at));
    const frames = 1_000_000;
    let bytes = 0;
    const carry = (keep: (popped: Uint8Array) => Uint8Array) => () => {
      for (let at = 0; at < frames; at++) {
        producer.tryPush(sent[at & 63]!, at);
        bytes += keep(consumer.tryPop()!).length;
      }
    };
    const carried = carry((popped) => popped);
    carried();
    const perFrame = (await allocatedBy(carried)) / frames;
    // Control: a view per frame shows in the heap profile.
    const withViews = (await allocatedBy(carry((popped) => popped.subarray(0)))) / frames;
    expect(bytes).toBe(3 * (frames / 64) * sent.reduce((sum, { length }) => sum + length, 0));
    expect(perFrame).toBeLessThan(1);
    expect(withViews).toBeGreaterThan(50);
  });
});

describe('ring between two threads', { timeout: 60_000 }, () => {
  const count = 2_000_000;

  test(`transfers ${count} frames from a worker to an event loop that waits in between`, async () => {
    const memory = createRing(1024 * 1024, longestFrame);
    const consumer = new RingConsumer(memory);
    const other = worker('produce', memory, count);
    const exited = once(other, 'exit');
    let [right, wrong, sleeps] = [0, 0, 0];
    while (!consumer.ended) {
      expect(await consumer.waitAsync(10_000)).toBe(true);
      sleeps++;
      for (let popped = consumer.tryPop(); popped; popped = consumer.tryPop())
        if (isNumberedFrame(popped, consumer.tag, right + wrong)) right++;
        else wrong++;
    }
    await exited;
    expect({ right, wrong }).toEqual({ right: count, wrong: 0 });
    expect(sleeps).toBeGreaterThan(0);
  });

  test(`transfers ${count} frames to a worker that blocks while the ring is empty`, async () => {
    const memory = createRing(1024 * 1024, longestFrame);
    const producer = new RingProducer(memory);
    const other = worker('consume', memory, count);
    const failure = new AbortController();
    other.once('error', (error) => failure.abort(error));
    const answer = once(other, 'message');
    for (let number = 0; number < count && !failure.signal.aborted; number++)
      while (!producer.tryPush(numberedFrame(number), tagOf(number)) && !failure.signal.aborted)
        await new Promise((resolve) => setImmediate(resolve));
    producer.close();
    expect(await answer).toEqual([count]);
    await other.terminate();
  });
});

describe('waiting ring consumer', () => {
  afterEach(() => vi.restoreAllMocks());

  test('wakes up for a frame and for the close', async () => {
    const { producer, consumer } = ends(createRing(1024, 100));
    const frameCame = consumer.waitAsync(10_000);
    producer.tryPush(frame(1));
    expect(await frameCame).toBe(true);
    expect(consumer.tryPop()).toEqual(frame(1));
    const endCame = consumer.waitAsync(10_000);
    producer.close();
    expect(await endCame).toBe(true);
    expect(consumer.ended).toBe(true);
  });

  test('returns false after the timeout, blocking or not', async () => {
    const { consumer } = ends(createRing(1024, 100));
    expect(await consumer.waitAsync(1)).toBe(false);
    expect(consumer.wait(1)).toBe(false);
  });

  test('continues to wait after a spurious wake-up of an earlier sleep', async () => {
    const memory = createRing(1024, 100);
    const { producer, consumer } = ends(memory);
    const [control, sleeping] = [new Int32Array(memory), 32];
    const woken = consumer.waitAsync(10_000);
    expect(Atomics.exchange(control, sleeping, 0)).toBe(1);
    Atomics.notify(control, sleeping);
    await vi.waitFor(() => expect(Atomics.load(control, sleeping)).toBe(1), { interval: 1 });
    producer.tryPush(frame(1));
    expect(await woken).toBe(true);
    expect(consumer.tryPop()).toEqual(frame(1));
  });

  test('is not at its end before the last frame is popped', () => {
    const { producer, consumer } = ends(createRing(1024, 100));
    producer.tryPush(frame(1));
    producer.close();
    expect(consumer.ended).toBe(false);
    consumer.tryPop();
    expect(consumer.ended).toBe(true);
  });

  test('is notified once for any number of frames, and not while it is awake', async () => {
    const notify = vi.spyOn(Atomics, 'notify');
    const { producer, consumer } = ends(createRing(65_536, 100));
    for (let at = 0; at < 100; at++) producer.tryPush(frame(1));
    expect(notify).not.toHaveBeenCalled();
    while (consumer.tryPop());
    const woken = consumer.waitAsync(10_000);
    for (let at = 0; at < 100; at++) producer.tryPush(frame(1));
    expect(await woken).toBe(true);
    expect(notify).toHaveBeenCalledTimes(1);
  });
});
