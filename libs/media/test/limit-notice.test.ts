import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LimitNotice, type Limits } from '../src/allocation/limit-notice.ts';

const limits = (...publicationIds: string[]): Limits => ({ transportId: 'recv', publicationIds });

describe('the notification of what is paused for bandwidth', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('is sent at once, then after gaps with what is newest', async () => {
    const sent: Limits[] = [];
    const notice = new LimitNotice(async (each) => void sent.push(each));
    for (let change = 0; change <= 50; change++) {
      notice.set(limits(`pub_${change}`));
      await vi.advanceTimersByTimeAsync(100);
    }
    await vi.advanceTimersByTimeAsync(5000);
    expect(sent.length).toBeLessThanOrEqual(7);
    expect(sent[0]).toEqual(limits('pub_0'));
    expect(sent.at(-1)).toEqual(limits('pub_50'));
  });

  test('is repeated until it is stored, with what is newest by then', async () => {
    const sent: Limits[] = [];
    let isDown = true;
    const notice = new LimitNotice(async (each) => {
      if (isDown) throw new Error('the event log is out of reach');
      sent.push(each);
    });
    notice.set(limits('pub_a'));
    await vi.advanceTimersByTimeAsync(3000);
    notice.set(limits());
    isDown = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent).toEqual([limits()]);
  });

  test('is sent ever more rarely while it flaps, and at once again after a calm minute', async () => {
    const sentMs: number[] = [];
    const notice = new LimitNotice(async () => void sentMs.push(Math.round(performance.now() / 1000)));
    const startMs = Math.round(performance.now() / 1000);
    for (let change = 0; change < 1000; change++) {
      notice.set(limits(`pub_${change}`));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(sentMs.map((ms) => ms - startMs)).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
    await vi.advanceTimersByTimeAsync(90_000);
    const before = sentMs.length;
    notice.set(limits('pub_a'));
    await vi.advanceTimersByTimeAsync(0);
    notice.set(limits('pub_b'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(sentMs.length - before).toBe(2);
    notice.close();
  });

  test('is repeated every minute while something is limited, and once after that', async () => {
    const sent: Limits[] = [];
    const notice = new LimitNotice(async (each) => void sent.push(each));
    notice.set(limits('pub_a'));
    await vi.advanceTimersByTimeAsync(150_000);
    expect(sent).toEqual(Array.from({ length: 3 }, () => limits('pub_a')));
    notice.set(limits());
    await vi.advanceTimersByTimeAsync(300_000);
    expect(sent.slice(3)).toEqual([limits(), limits()]);
  });

  test('is not lost when the event log is out of reach for minutes', async () => {
    const sent: Limits[] = [];
    let isDown = true;
    const notice = new LimitNotice(async (each) => {
      if (isDown) throw new Error('the event log is out of reach');
      sent.push(each);
    });
    notice.set(limits('pub_a'));
    await vi.advanceTimersByTimeAsync(200_000);
    isDown = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent).toEqual([limits('pub_a')]);
    notice.close();
  });

  test('is not sent after the session has closed', async () => {
    const sent: Limits[] = [];
    const notice = new LimitNotice(async (each) => void sent.push(each));
    notice.set(limits('pub_a'));
    await vi.advanceTimersByTimeAsync(0);
    notice.set(limits());
    notice.close();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent).toHaveLength(1);
  });
});
