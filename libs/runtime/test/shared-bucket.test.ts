import { describe, expect, test } from 'vitest';
import { SharedBucket } from '../src/index.ts';

describe('a rate that senders share', () => {
  test('leaves a quarter of the burst to senders below their own part', () => {
    const bucket = new SharedBucket(64, 1, 0);
    const [loud, quiet] = [bucket.newSender(0), bucket.newSender(0)];
    expect(bucket.take(48, loud, 0)).toBe(true);
    expect(bucket.take(2, loud, 0)).toBe(false);
    expect(bucket.take(1, quiet, 0)).toBe(true);
    expect(bucket.take(1, quiet, 0)).toBe(false);
    expect(bucket.take(1, undefined, 0)).toBe(false);
  });

  test('takes another amount of the own part of a sender than of the bucket, where it is told so', () => {
    const bucket = new SharedBucket(64, 1, 0);
    const quiet = bucket.newSender(0);
    bucket.take(48, undefined, 0);
    expect(bucket.take(10, quiet, 0)).toBe(false);
    expect(bucket.take(10, quiet, 0, 1)).toBe(true);
    expect(bucket.take(1, quiet, 0, 1)).toBe(false);
  });

  test('has what was given back, and no more than its burst', () => {
    const bucket = new SharedBucket(64, 1, 0);
    bucket.take(48, undefined, 0);
    bucket.give(48, 0);
    expect(bucket.take(48, undefined, 0)).toBe(true);
    bucket.give(1000, 0);
    expect(bucket.take(65, bucket.newSender(0), 0, 0)).toBe(false);
  });

  test('has its largest amount also while others take a little', () => {
    const bucket = new SharedBucket(64, 1, 0);
    bucket.take(1, bucket.newSender(0), 0);
    expect(bucket.take(bucket.largest, undefined, 0)).toBe(true);
    expect(bucket.take(bucket.largest, undefined, 0)).toBe(false);
  });

  test('takes nothing of the own part of a sender that is refused', () => {
    const bucket = new SharedBucket(64, 1, 0);
    const senders = Array.from({ length: 17 }, () => bucket.newSender(0));
    bucket.take(48, undefined, 0);
    for (const sender of senders.slice(0, 16)) expect(bucket.take(1, sender, 0)).toBe(true);
    expect(bucket.take(1, senders[16], 0)).toBe(false);
    expect(senders[16]!.has(0, 1)).toBe(true);
  });
});
