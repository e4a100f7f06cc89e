import { describe, expect, test } from 'vitest';
import { Crashes, silentMs } from '../../src/canary/crashes.ts';
import { Samples } from '../../src/canary/samples.ts';

const peer = (sessionId: string, score = 1, loss = 0) => ({ roomId: 'rm_a', sessionId, score, loss });

describe('samples of participants', () => {
  const samplesOf = () => {
    const samples = new Samples(1000);
    const report = (now: number, id: string, ...peers: ReturnType<typeof peer>[]) =>
      samples.record({ id, revision: `${id}-version`, peers }, now);
    report(0, 'nd_a', peer('ss_before'));
    report(0, 'nd_b');
    return { samples, report };
  };

  test('a participant is one sample: the mean of its reports in its first second', () => {
    const { report } = samplesOf();
    expect(report(500, 'nd_a', peer('ss_1', 0.8, 0.1))).toEqual([]);
    expect(report(1000, 'nd_a', peer('ss_1', 0.6, 0.1))).toEqual([]);
    const [sample] = report(1500, 'nd_a', peer('ss_1', 0.4, 0.4));
    expect(sample!.version).toBe('nd_a-version');
    expect(sample!.score).toBeCloseTo(0.6);
    expect(sample!.loss).toBeCloseTo(0.2);
    for (let now = 2000; now < 6000; now += 500) expect(report(now, 'nd_a', peer('ss_1'))).toEqual([]);
  });

  test('participants that were there before give no sample, also after they leave or move', () => {
    const { samples, report } = samplesOf();
    for (let now = 0; now < 5000; now += 500) expect(report(now, 'nd_a', peer('ss_before'))).toEqual([]);
    expect(report(5000, 'nd_a')).toEqual([]);
    for (let now = 5000; now < 8000; now += 500) expect(report(now, 'nd_b', peer('ss_before'))).toEqual([]);
    report(8000, 'nd_b', peer('ss_2'));
    samples.restart();
    for (let now = 8500; now < 11_000; now += 500) expect(report(now, 'nd_b', peer('ss_2'))).toEqual([]);
  });

  test('a participant that is migrated is a sample of its first node alone', () => {
    const { report } = samplesOf();
    report(0, 'nd_a', peer('ss_1', 0.5));
    report(400, 'nd_b', peer('ss_1', 1));
    expect(report(600, 'nd_a')).toEqual([{ version: 'nd_a-version', score: 0.5, loss: 0 }]);
    for (let now = 600; now < 3000; now += 500) expect(report(now, 'nd_b', peer('ss_1'))).toEqual([]);
  });

  test('a participant that leaves within half the time is no sample', () => {
    const { report } = samplesOf();
    report(0, 'nd_a', peer('ss_1', 0.5));
    expect(report(400, 'nd_a')).toEqual([]);
  });
});

describe('crashes', () => {
  const node = { id: 'nd_a', lastSeenAt: 100_000, startedAt: 1, revision: 'v1', instance: 'pod', workerDeaths: 0 };
  const other = { ...node, id: 'nd_b', instance: 'other' };
  const crash = { version: 'v1', process: 'pod' };
  const none = new Set<string>();
  const lost = new Set(['nd_a']);

  test('a node that was declared dead has crashed once, and one that is removed has not', () => {
    const crashes = new Crashes();
    expect(crashes.update([node], none)).toEqual([]);
    expect(crashes.update([node], lost)).toEqual([crash]);
    expect(crashes.update([node], lost)).toEqual([]);
    expect(crashes.update([{ ...node, startedAt: 2 }], none)).toEqual([]);
    expect(crashes.update([], none)).toEqual([]);
    expect(crashes.update([{ ...node, startedAt: 3 }], none)).toEqual([]);
  });

  test('a node whose heartbeats are late has not crashed, one that stays silent has', () => {
    const crashes = new Crashes();
    const after = (ms: number) => crashes.update([node, { ...other, lastSeenAt: node.lastSeenAt + ms }], none);
    after(0);
    expect(after(silentMs - 1)).toEqual([]);
    expect(after(silentMs)).toEqual([crash]);
    expect(after(2 * silentMs)).toEqual([]);
  });

  test('a node with a new start that was not removed has crashed, as its previous version', () => {
    const crashes = new Crashes();
    crashes.update([node], none);
    expect(crashes.update([{ ...node, startedAt: 2, revision: 'v2' }], none)).toEqual([crash]);
  });

  test('media workers that died since the last report are one crash', () => {
    const crashes = new Crashes();
    crashes.update([{ ...node, workerDeaths: 1 }], none);
    expect(crashes.update([{ ...node, workerDeaths: 4 }], none)).toEqual([{ version: 'v1', process: undefined }]);
    expect(crashes.update([{ ...node, workerDeaths: 4 }], none)).toEqual([]);
  });

  test('what died before the start does not count', () => {
    const crashes = new Crashes();
    expect(crashes.update([{ ...node, workerDeaths: 3 }], lost)).toEqual([]);
    crashes.restart();
    expect(crashes.update([{ ...node, startedAt: 2, workerDeaths: 9 }], none)).toEqual([]);
  });
});
