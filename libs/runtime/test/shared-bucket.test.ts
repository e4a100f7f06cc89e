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

  test('takes nothing of the own part of a sender that is refused', () => {
    const bucket = new SharedBucket(64, 1, 0);
    const senders = Array.from({ length: 17 }, () => bucket.newSender(0));
    bucket.take(48, undefined, 0);
    for (const sender of senders.slice(0, 16)) expect(bucket.take(1, sender, 0)).toBe(true);
    expect(bucket.take(1, senders[16], 0)).toBe(false);
    expect(senders[16]!.has(0, 1)).toBe(true);
  });
});
