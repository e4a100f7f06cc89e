import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LimitNotice, type Limits } from '../src/allocation/limit-notice.ts';

const limits = (...publicationIds: string[]): Limits => ({ transportId: 'recv', publicationIds });

describe('the notification of what is paused for bandwidth', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('is sent at once, then at most once a second with what is newest', async () => {
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
