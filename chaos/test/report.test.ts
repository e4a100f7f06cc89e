import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { experiments } from '../src/manifests/experiment.ts';
import { timeline } from '../src/report/timeline.ts';
import { writeReport } from '../src/report/write-report.ts';
import type { RunResult } from '../src/run.ts';

const experiment = experiments().find(({ name }) => name === 'kill-sfu')!;

const result: RunResult = {
  experiment,
  driver: 'local fleet',
  when: '2026-11-29T08:00:00.000Z',
  verdict: 'violated',
  reason: undefined,
  probes: [
    {
      probe: experiment.probes.find(({ phase, text }) => phase === 'during' && text.startsWith('gap_ms'))!,
      outcome: 'violated',
      figure: '7000',
    },
  ],
  participants: ['Ada', 'Bob'],
  events: [
    { atMs: 1000, who: 'fleet', what: 'nd_1 killed (SIGKILL)' },
    { atMs: 1500, who: 'participant', what: 'Ada: a <b> | c', isProblem: true },
  ],
  gaps: [
    { atMs: 500, participant: 'Ada', gapMs: 60, silent: false },
    { atMs: 2000, participant: 'Ada', gapMs: 7000, silent: true },
    { atMs: 2000, participant: 'Bob', gapMs: 1200, silent: false },
  ],
  requests: [
    { kind: 'join', atMs: 600, ms: 90 },
    { kind: 'join', atMs: 1600, ms: 4000, error: 'NO_CAPACITY' },
  ],
  spans: { before: { fromMs: 0, toMs: 1000 }, during: { fromMs: 1000, toMs: 3000 } },
  ownDelays: { before: 12, during: 20 },
  objectives: {
    before: [{ id: 'join_success', title: 'Joins succeed', value: 1, target: 0.999, met: true, events: 1 }],
    during: [{ id: 'join_success', title: 'Joins succeed', value: 0, target: 0.999, met: false, events: 1 }],
  },
};

describe('the report of a run', () => {
  test('has verdict, probes, gaps, requests, objectives and events, as Markdown and as JSON', () => {
    const folder = mkdtempSync(join(tmpdir(), 'flotilla-chaos-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const text = readFileSync(writeReport(result, folder), 'utf8');
    expect(text).toContain('# kill-sfu: violated');
    expect(text).toContain('| during | `gap_ms <= 5000` | 7000 | violated |');
    expect(text).toContain('| Ada | 60 | 7000 |  |');
    expect(text).toContain('| join | during | 1 | 1 | 4000 | 4000 | NO_CAPACITY |');
    expect(text).toContain('| join_success: Joins succeed | 0.999 | 1 of 1 | 0 of 1 (missed) |  |');
    expect(text).toContain('| 2 | 1.5 | participant | **Ada: a <b> \\| c** |');
    expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toMatchObject({
      experiment: { name: 'kill-sfu' },
      verdict: 'violated',
      requests: [{ kind: 'join' }, { error: 'NO_CAPACITY' }],
    });
  });

  test('draws a lane for each participant, and escapes what it writes into the picture', () => {
    const picture = timeline(result);
    expect(picture.match(/<polyline/g)).toHaveLength(2);
    expect(picture).toContain('<title>Ada: a &lt;b&gt; | c</title>');
    expect(picture).toContain('a lane is 7000 ms high');
  });
});
