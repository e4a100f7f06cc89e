import { describe, expect, test } from 'vitest';
import { readDuration, writeDuration } from '../src/manifests/duration.ts';
import { readProbes } from '../src/manifests/probes.ts';

describe('probes of a steady state', () => {
  test('name a phase and a figure, a metric or an objective', () => {
    expect(
      readProbes(`
        before: gap_ms <= 1000
        during: metric increase(flotilla_breakers_opened_total{kind="rest"}) >= 1

        after: objective join_success`).map(({ phase, measured }) => ({ phase, measured })),
    ).toEqual([
      { phase: 'before', measured: { kind: 'figure', name: 'gap_ms', comparison: '<=', bound: 1000 } },
      {
        phase: 'during',
        measured: {
          kind: 'metric',
          fold: 'increase',
          metric: 'flotilla_breakers_opened_total',
          labels: { kind: 'rest' },
          comparison: '>=',
          bound: 1,
        },
      },
      { phase: 'after', measured: { kind: 'objective', id: 'join_success' } },
    ]);
  });

  test.for([
    'gap_ms <= 1',
    'during: gap_ms',
    'during: gap_ms <= fast',
    'during: metric middle(a) < 1',
    'during: toString == 1',
  ])('"%s" is refused with the line in the message', (line) => {
    expect(() => readProbes(line)).toThrow(line);
  });
});

describe('durations', () => {
  test.for([
    ['500ms', 500],
    ['1m30s', 90_000],
    ['-5m', -300_000],
    ['1.5h', 5_400_000],
  ] as const)('%s is %d ms', ([text, ms]) => {
    expect(readDuration(text)).toBe(ms);
  });

  test.for(['', '5', '5 m', 'm', '1m-30s'])('"%s" is refused', (text) => {
    expect(() => readDuration(text)).toThrow(RangeError);
  });

  test.for([500, 90_000, 300_000, 7_200_000, 0])('%d ms are read as they were written', (ms) => {
    expect(readDuration(writeDuration(ms))).toBe(ms);
  });
});
