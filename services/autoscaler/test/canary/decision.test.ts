import type { Canary, CanaryOrder } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { comparisonsOf, type Evidence, type Measure, noEvidence, withSample } from '../../src/canary/comparison.ts';
import { decide, type DecisionInput } from '../../src/canary/decision.ts';
import { addCrash } from '../../src/canary/evidence.ts';
import { canarySettings as settings } from '../../src/canary/settings.ts';

const observing: Canary = {
  stable: 'v1',
  candidate: 'v2',
  share: 0.05,
  phase: 'observing',
  since: 0,
  excluded: ['v0'],
  decision: { at: 0, by: 'nodes', reasons: [] },
  comparisons: [],
};
const one = (newestStart: number) => ({ nodes: 1, newestStart });
const both = new Map([
  ['v1', one(1)],
  ['v2', one(2)],
]);
const later = settings.minMs + 1;

const next = (more: Partial<DecisionInput>): Canary | undefined =>
  decide({
    canary: observing,
    order: undefined,
    evidence: noEvidence,
    versions: both,
    sessionsOf: () => 1,
    absentMs: () => 0,
    settings,
    now: later,
    ...more,
  });

/** Pairs of samples of the two versions. */
function evidenceOf(pairs: number, costs: { stable: number; candidate: number }, ...of: Measure[]): Evidence {
  let evidence = noEvidence;
  for (let pair = 0; pair < pairs; pair++)
    for (const measure of of)
      for (const side of ['stable', 'candidate'] as const)
        evidence = withSample(evidence, { side, measure, cost: costs[side] }, settings.tolerance);
  return evidence;
}
const same = { stable: 0.1, candidate: 0.1 };

describe('the start', () => {
  test('the version of most nodes is the stable one', () => {
    const versions = new Map([
      ['v1', { nodes: 3, newestStart: 9 }],
      ['v2', { nodes: 1, newestStart: 1 }],
    ]);
    expect(next({ canary: undefined, versions })).toMatchObject({ stable: 'v1', phase: 'promoted', excluded: [] });
    expect(next({ canary: undefined, versions: new Map() })).toBeUndefined();
  });

  test('the newest other version is observed, unless it is excluded or the previous stable one', () => {
    const canary: Canary = { ...observing, phase: 'promoted', candidate: undefined, previous: 'v-1' };
    const versions = new Map([
      ['v1', one(9)],
      ['v0', one(8)],
      ['v-1', one(7)],
    ]);
    expect(next({ canary, versions })).toBe(canary);
    versions.set('v2', one(1)).set('v3', one(2));
    expect(next({ canary, versions })).toMatchObject({ phase: 'observing', candidate: 'v3', since: later });
  });
});

describe('an observed candidate', () => {
  test('stays so without evidence', () => {
    expect(next({})).toMatchObject({ phase: 'observing', candidate: 'v2' });
    expect(next({ now: settings.maxMs * 2 })).toMatchObject({ phase: 'observing' });
  });

  test.each(['quality', 'loss', 'gap'] as const)('is evacuated when %s is worse', (measure) => {
    const costs = { stable: 0.05, candidate: 0.9 };
    expect(next({ evidence: evidenceOf(settings.minSamples - 1, costs, measure) })).toMatchObject({
      phase: 'observing',
    });
    const decided = next({ evidence: evidenceOf(settings.minSamples, costs, measure), now: 1 })!;
    expect(decided).toMatchObject({ phase: 'evacuating', candidate: 'v2', excluded: ['v0', 'v2'] });
    expect(decided.decision.by).toBe('comparison');
    expect(decided.decision.reasons.join()).toContain(`${measure} is worse: mean cost 0.900 of 20`);
  });

  test('is promoted when quality and loss are as good, not before the minimum time, nor with one of both', () => {
    const evidence = evidenceOf(150, same, 'quality', 'loss');
    expect(next({ evidence, now: settings.minMs - 1 })).toMatchObject({ phase: 'observing' });
    expect(next({ evidence: evidenceOf(150, same, 'quality') })).toMatchObject({ phase: 'observing' });
    const decided = next({ evidence })!;
    expect(decided).toMatchObject({ phase: 'promoted', stable: 'v2', previous: 'v1', excluded: ['v0'] });
    expect(decided.candidate).toBeUndefined();
    expect(decided.decision.by).toBe('comparison');
  });

  test('is decided on by the means when the time ends', () => {
    const ended = { now: settings.maxMs + 1 };
    const promoted = next({ ...ended, evidence: evidenceOf(25, same, 'quality', 'loss') });
    expect(promoted).toMatchObject({ phase: 'promoted', stable: 'v2', decision: { by: 'time' } });
    const evidence = evidenceOf(25, { stable: 0.1, candidate: 0.2 }, 'quality', 'loss');
    expect(next({ ...ended, evidence })).toMatchObject({ phase: 'evacuating', decision: { by: 'time' } });
  });

  test('is evacuated in a crash loop, and when it crashes more often', () => {
    expect(next({ evidence: { ...noEvidence, deaths: { pod: 2, other: 2 } } })).toMatchObject({ phase: 'observing' });
    const looping = next({ evidence: { ...noEvidence, deaths: { pod: 3 } } })!;
    expect(looping).toMatchObject({ phase: 'evacuating', decision: { by: 'crashes' } });
    expect(looping.decision.reasons).toEqual(['crash loop: pod died 3 times']);
    let { crashes } = noEvidence;
    for (let crash = 0; crash < 4; crash++) crashes = addCrash(crashes, 'candidate', { stable: 19, candidate: 1 });
    expect(next({ evidence: { ...noEvidence, crashes } })).toMatchObject({
      phase: 'evacuating',
      decision: { by: 'crashes' },
    });
  });

  test('is promoted when the stable version has no nodes left, and forgotten when it has none itself', () => {
    const gone = (version: string) => (of: string) => (of === version ? settings.absentMs : 0);
    expect(next({ absentMs: gone('v1') })).toMatchObject({
      phase: 'promoted',
      stable: 'v2',
      decision: { by: 'nodes' },
    });
    const forgotten = next({ absentMs: gone('v2') })!;
    expect(forgotten).toMatchObject({ phase: 'promoted', stable: 'v1', decision: { by: 'nodes' } });
    expect(forgotten.candidate).toBeUndefined();
  });
});

describe('after a rollback to the previous stable version', () => {
  const rolledBack: Canary = { ...observing, stable: 'v2', previous: 'v1', candidate: 'v3' };
  const absentMs = (version: string): number => (version === 'v2' ? settings.absentMs : 0);
  const versions = new Map([
    ['v1', one(1)],
    ['v3', one(3)],
  ]);

  test('that version is the stable one again, and the next version is observed', () => {
    const { candidate: _candidate, ...rest } = rolledBack;
    const canary: Canary = { ...rest, phase: 'promoted' };
    const restored = next({ canary, versions, absentMs })!;
    expect(restored).toMatchObject({ phase: 'promoted', stable: 'v1', decision: { by: 'nodes' } });
    expect(restored.previous).toBeUndefined();
    expect(next({ canary: restored, versions, absentMs })).toMatchObject({
      phase: 'observing',
      stable: 'v1',
      candidate: 'v3',
    });
  });

  test('an observed candidate is not promoted, but compared with that version from then on', () => {
    const canary: Canary = { ...rolledBack, comparisons: comparisonsOf(evidenceOf(3, same, 'quality')) };
    const restored = next({ canary, versions, absentMs })!;
    expect(restored).toMatchObject({
      phase: 'observing',
      stable: 'v1',
      candidate: 'v3',
      since: later,
      comparisons: [],
    });
    expect(next({ canary: restored, versions, absentMs })).toMatchObject({ phase: 'observing', stable: 'v1' });
  });

  test('nothing changes while the absence is short, and a candidate is promoted when the previous version has no nodes either', () => {
    expect(next({ canary: rolledBack, versions })).toMatchObject({ phase: 'observing', stable: 'v2', previous: 'v1' });
    expect(next({ canary: rolledBack, versions: new Map([['v3', one(3)]]), absentMs })).toMatchObject({
      phase: 'promoted',
      stable: 'v3',
    });
  });
});

test('a candidate is evacuated when no session is assigned to it', () => {
  const canary: Canary = { ...observing, phase: 'evacuating', excluded: ['v2'] };
  expect(next({ canary })).toBe(canary);
  const evacuated = next({ canary, sessionsOf: (version) => (version === 'v2' ? 0 : 9) })!;
  expect(evacuated).toMatchObject({ phase: 'evacuated', candidate: 'v2', excluded: ['v2'] });
  expect(next({ canary: evacuated })).toBe(evacuated);
});

describe('orders', () => {
  const order = (kind: CanaryOrder['kind']) => ({ order: { kind, by: 'ada' } });
  const by = { decision: { by: 'operator' } };

  test('promote and evacuate need no evidence', () => {
    expect(next(order('promote'))).toMatchObject({ phase: 'promoted', stable: 'v2', previous: 'v1', ...by });
    expect(next(order('evacuate'))).toMatchObject({ phase: 'evacuating', excluded: ['v0', 'v2'], ...by });
  });

  test('an order about a version that is no candidate any more is not carried out', () => {
    for (const kind of ['promote', 'evacuate'] as const)
      expect(next({ order: { kind, by: 'ada', candidate: 'v1.9' } })).toMatchObject({
        phase: 'observing',
        candidate: 'v2',
      });
    expect(next({ order: { kind: 'promote', by: 'ada', candidate: 'v2' } })).toMatchObject({ stable: 'v2' });
  });

  test('a version that is being evacuated can be promoted, and is excluded no more', () => {
    const canary: Canary = { ...observing, phase: 'evacuating', excluded: ['v2'] };
    expect(next({ canary, ...order('promote') })).toMatchObject({ phase: 'promoted', stable: 'v2', excluded: [] });
  });

  test('reset clears the excluded versions, and ends the observation', () => {
    const canary = next(order('reset'))!;
    expect(canary).toMatchObject({ phase: 'promoted', stable: 'v1', excluded: [], ...by });
    expect(next({ canary })).toMatchObject({ phase: 'observing', candidate: 'v2' });
  });

  test('an order that does not apply changes nothing', () => {
    const { candidate: _candidate, ...rest } = observing;
    const canary: Canary = { ...rest, phase: 'promoted' };
    const versions = new Map([['v1', one(1)]]);
    expect(next({ canary, versions, ...order('promote') })).toBe(canary);
    expect(next({ canary, versions, ...order('evacuate') })).toBe(canary);
  });
});
