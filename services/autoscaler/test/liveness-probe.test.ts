import { expect, test } from 'vitest';
import { unresponsiveLostAfterMs, type ProbeResult, LivenessProbe } from '../src/liveness-probe.ts';

/** Confirms a node without heartbeats every 100 ms, starting 900 ms after its last one. */
async function confirmed(answers: (silentMs: number) => ProbeResult, until = 5000) {
  let silentMs = 900;
  let probes = 0;
  const probe = new LivenessProbe(async () => {
    probes++;
    return answers(silentMs);
  });
  for (; silentMs <= until; silentMs += 100) {
    const lost = probe.confirm(new Map([['nd_a', silentMs]]), silentMs);
    if (lost.length > 0) return { lostAfter: silentMs, probes };
    await Promise.resolve();
  }
  return { lostAfter: undefined, probes };
}

test('LivenessProbe: a node whose queue does not exist is lost at the next check', async () => {
  expect(await confirmed(() => 'unreachable')).toEqual({ lostAfter: 1000, probes: 1 });
});

test('LivenessProbe: a node that answers is not lost, and is probed every 500 ms', async () => {
  expect(await confirmed(() => 'alive')).toEqual({ lostAfter: undefined, probes: 9 });
});

test('LivenessProbe: a node that does not answer is lost after 2 s without heartbeats', async () => {
  expect(await confirmed(() => 'unresponsive')).toMatchObject({ lostAfter: unresponsiveLostAfterMs });
});

test('LivenessProbe: a node that dies after an answer is lost at its next probe', async () => {
  const { lostAfter } = await confirmed((silentMs) => (silentMs < 3000 ? 'alive' : 'unreachable'));
  expect(lostAfter).toBeLessThanOrEqual(3600);
});

test('LivenessProbe: a node that reported in between is probed again when its heartbeats stop', async () => {
  const probe = new LivenessProbe(async () => 'unreachable');
  probe.confirm(new Map([['nd_a', 900]]), 900);
  await Promise.resolve();
  expect(probe.confirm(new Map([['nd_a', 1000]]), 1000)).toEqual(['nd_a']);
  expect(probe.confirm(new Map(), 1100)).toEqual([]);
  expect(probe.confirm(new Map([['nd_a', 900]]), 5000)).toEqual([]);
});
