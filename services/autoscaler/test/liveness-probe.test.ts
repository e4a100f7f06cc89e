import { expect, test } from 'vitest';
import { unresponsiveLostAfterMs, type ProbeResult, LivenessProbe } from '../src/liveness-probe.ts';

/** What is confirmed of one silent node, every 100 ms from 900 ms of silence on, while it answers so. */
async function confirmed(answers: (silentMs: number) => ProbeResult, until = 5000) {
  let silentMs = 900;
  let asked = 0;
  const second = new LivenessProbe(async () => {
    asked++;
    return answers(silentMs);
  });
  for (; silentMs <= until; silentMs += 100) {
    const lost = second.confirm(new Map([['nd_a', silentMs]]), silentMs);
    if (lost.length > 0) return { lostAfter: silentMs, asked };
    await Promise.resolve();
  }
  return { lostAfter: undefined, asked };
}

test('a silent node whose queue is gone is lost at the next look', async () => {
  expect(await confirmed(() => 'unreachable')).toEqual({ lostAfter: 1000, asked: 1 });
});

test('a silent node that answers is not, and is asked now and then', async () => {
  expect(await confirmed(() => 'alive')).toEqual({ lostAfter: undefined, asked: 9 });
});

test('one that does not answer is given more time', async () => {
  expect(await confirmed(() => 'unresponsive')).toMatchObject({ lostAfter: unresponsiveLostAfterMs });
});

test('one that answered and dies then is lost when it is asked again', async () => {
  const { lostAfter } = await confirmed((silentMs) => (silentMs < 3000 ? 'alive' : 'unreachable'));
  expect(lostAfter).toBeLessThanOrEqual(3600);
});

test('a node that is heard again is asked anew the next time', async () => {
  const second = new LivenessProbe(async () => 'unreachable');
  second.confirm(new Map([['nd_a', 900]]), 900);
  await Promise.resolve();
  expect(second.confirm(new Map([['nd_a', 1000]]), 1000)).toEqual(['nd_a']);
  expect(second.confirm(new Map(), 1100)).toEqual([]);
  expect(second.confirm(new Map([['nd_a', 900]]), 5000)).toEqual([]);
});
