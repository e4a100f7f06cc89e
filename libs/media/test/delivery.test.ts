import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Delivery } from '../src/layers/delivery.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Deliveries in flight end when their resolver is called. */
function recorded(isFinal?: (error: unknown) => boolean): {
  delivery: Delivery<number>;
  sent: number[];
  ends: PromiseWithResolvers<void>[];
} {
  const sent: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const delivery = new Delivery<number>((value) => {
    sent.push(value);
    const end = Promise.withResolvers<void>();
    ends.push(end);
    return end.promise;
  }, isFinal);
  return { delivery, sent, ends };
}

test('values that are put while one is delivered replace each other', async () => {
  const { delivery, sent, ends } = recorded();
  for (const value of [1, 2, 3]) delivery.put(value);
  ends[0]!.resolve();
  await vi.advanceTimersByTimeAsync(0);
  ends[1]!.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual([1, 3]);
  delivery.put(3);
  expect(sent).toEqual([1, 3, 3]);
});

test('after a failure the newest value is delivered', async () => {
  const { delivery, sent, ends } = recorded();
  delivery.put(1);
  ends[0]!.reject(new Error('lost'));
  await vi.advanceTimersByTimeAsync(0);
  delivery.put(2);
  await vi.advanceTimersByTimeAsync(1000);
  expect(sent).toEqual([1, 2]);
});

test('nothing is delivered after a final failure, nor after it was closed', async () => {
  const refused = recorded(() => true);
  refused.delivery.put(1);
  refused.ends[0]!.reject(new Error('refused'));
  await vi.advanceTimersByTimeAsync(0);
  refused.delivery.put(2);
  const closed = recorded();
  closed.delivery.put(1);
  closed.delivery.close();
  closed.ends[0]!.reject(new Error('lost'));
  await vi.advanceTimersByTimeAsync(1000);
  expect([refused.sent, closed.sent]).toEqual([[1], [1]]);
});
