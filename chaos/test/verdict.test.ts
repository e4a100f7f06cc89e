import { describe, expect, test } from 'vitest';
import { readProbes } from '../src/manifests/probes.ts';
import { evaluateAll } from '../src/measure/objectives.ts';
import { MetricHistory } from '../src/measure/metric-history.ts';
import { readSamples } from '../src/measure/prometheus-text.ts';
import { judge, type Recorded, verdictOf } from '../src/verdict.ts';

const during = { fromMs: 1000, toMs: 5000 };

function historyOf(...scrapes: readonly [atMs: number, source: string, text: string][]): MetricHistory {
  const history = new MetricHistory();
  for (const [atMs, source, text] of scrapes) history.add(atMs, [{ source, samples: readSamples(text) }]);
  return history;
}

const recorded = (change: Partial<Recorded>): Recorded => ({
  events: [],
  gaps: [],
  history: new MetricHistory(),
  requests: [],
  span: (phase) => (phase === 'during' ? during : undefined),
  ...change,
});

const outcomes = (probes: string, change: Partial<Recorded>): [string, string][] =>
  judge(readProbes(probes), recorded(change)).map(({ outcome, figure }) => [outcome, figure]);

describe('the text format of Prometheus', () => {
  test('is read with labels, escapes and infinities, without comments', () => {
    expect(readSamples('# HELP a b\na 1\nb{c="d",e="f\\"}"} 2.5 1700000\nc_bucket{le="+Inf"} +Inf\n')).toEqual([
      { name: 'a', labels: {}, value: 1 },
      { name: 'b', labels: { c: 'd', e: 'f\\"}' }, value: 2.5 },
      { name: 'c_bucket', labels: { le: '+Inf' }, value: Infinity },
    ]);
  });
});

describe('the increase of a counter', () => {
  test('counts a process that was started again from 0, and a series that appears from 0', () => {
    const history = historyOf(
      [900, 'a', 'joins 10'],
      [2000, 'a', 'joins 14'],
      [3000, 'a', 'joins 3'],
      [4000, 'a', 'joins 3\nfailed 2'],
      [6000, 'a', 'joins 100'],
    );
    expect(history.increase('joins', {}, during)).toBe(4 + 3);
    expect(history.increase('failed', {}, during)).toBe(2);
  });
});

describe('a verdict', () => {
  const gap = (atMs: number, participant: string, gapMs: number, silent = false) => ({
    atMs,
    participant,
    gapMs,
    silent,
  });
  const gaps = [gap(500, 'Ada', 9000, true), gap(2000, 'Ada', 1200), gap(3000, 'Bob', 800, true), gap(4000, 'Bob', 90)];

  test('takes the longest gap of the phase, and who is silent at its end', () => {
    expect(outcomes('during: gap_ms <= 1000\nduring: silent_participants == 0', { gaps })).toEqual([
      ['violated', '1200'],
      ['held', '0'],
    ]);
  });

  test('counts the requests that were sent in the phase', () => {
    const requests = [
      { kind: 'join', atMs: 500, ms: 10, error: 'too early to count' },
      { kind: 'join', atMs: 2000, ms: 100 },
      { kind: 'join', atMs: 3000, ms: 4000, error: 'NO_CAPACITY' },
      { kind: 'rest', atMs: 3000, ms: 9000 },
    ] as const;
    expect(outcomes('during: join_success >= 0.9\nduring: join_ms <= 5000', { requests })).toEqual([
      ['violated', '0.5'],
      ['held', '4000'],
    ]);
  });

  test('of a metric takes the last sum where it is asked for, so that a state may have been another before', () => {
    const history = historyOf([1500, 'a', 'open 1'], [4000, 'a', 'open 0']);
    expect(outcomes('during: metric last(open) == 0\nduring: metric max(open) == 0', { history })).toEqual([
      ['held', '0'],
      ['violated', '1'],
    ]);
  });

  test('is inconclusive when something was not measured, and violated when anything was', () => {
    const unknown = judge(readProbes('during: metric max(nobody_serves_this) == 0'), recorded({ gaps }));
    expect(unknown[0]!.outcome).toBe('not measured');
    expect(verdictOf(unknown)).toBe('inconclusive');
    const violated = judge(readProbes('during: gap_ms < 1\nafter: gap_ms < 1'), recorded({ gaps }));
    expect(violated.map(({ outcome }) => outcome)).toEqual(['violated', 'not measured']);
    expect(verdictOf(violated)).toBe('violated');
    expect(verdictOf(judge(readProbes('during: gap_ms < 9999'), recorded({ gaps })))).toBe('held');
  });
});

describe('objectives', () => {
  test('are evaluated from counters, histograms and gauges of the span', () => {
    const history = historyOf(
      [
        900,
        'gateway-1',
        'signaling_messages_total{type="join",outcome="ok"} 5\nsignaling_join_duration_seconds_count 5\nsignaling_join_duration_seconds_bucket{le="0.5"} 5',
      ],
      [
        3000,
        'gateway-1',
        'signaling_messages_total{type="join",outcome="ok"} 8\nsignaling_messages_total{type="join",outcome="UNAVAILABLE"} 1\nsignaling_join_duration_seconds_count 9\nsignaling_join_duration_seconds_bucket{le="0.5"} 6\nautoscaler_frozen 1',
      ],
    );
    const result = (id: string) => evaluateAll(history, during).find((each) => each.id === id);
    expect(result('join_success')).toMatchObject({ value: 0.75, events: 4, met: false });
    expect(result('join_time')).toMatchObject({ value: 0.25, met: false });
    expect(result('detection_frozen')).toMatchObject({ value: 1, met: false });
    expect(result('migration_success')).toMatchObject({ value: undefined, met: undefined });
  });
});
