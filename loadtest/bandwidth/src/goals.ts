import type { Goal } from '@flotilla/loadtest-kit';
import type { Contender } from './contenders.ts';
import type { RunResult } from './simulate.ts';

/** What gcc, the default, has to reach on traces where a loss or a queue shows congestion in time. */
export function goals(results: readonly RunResult[]): Goal[] {
  const of = (trace: string, contender: Contender['name'] = 'gcc'): RunResult =>
    results.find((each) => each.trace === trace && each.contender === contender)!;
  const steady = of('steady');
  const wide = of('wide');
  const quiet = of('quiet source');
  const lossy = of('random loss');
  const better = [
    'steady',
    'wide',
    'steps',
    'big step',
    'ramps',
    'sine',
    'cell',
    'jitter',
    'random loss',
    'bursts',
  ].filter((trace) => of(trace).use > of(trace, 'article').use);
  return [
    {
      what: 'gcc uses 0.8 of a steady link, queue p95 below 50 ms',
      met: steady.use >= 0.8 && steady.queueP95Ms < 50,
      figure: `${steady.use.toFixed(2)}, ${steady.queueP95Ms.toFixed(0)} ms`,
    },
    {
      what: 'gcc reaches 90 % of 8 Mbit/s within 3 s',
      met: wide.reachedMs !== null && wide.reachedMs <= 3000,
      figure: seconds(wide.reachedMs),
    },
    {
      what: 'gcc has 90 % of the link within 3 s after a source that sent little',
      met: quiet.reachedMs !== null && quiet.reachedMs <= 3000,
      figure: seconds(quiet.reachedMs),
    },
    { what: 'gcc uses 0.7 of a link with 3 % random loss', met: lossy.use >= 0.7, figure: lossy.use.toFixed(2) },
    {
      what: 'gcc uses more than the article on all single-flow links',
      met: better.length === 10,
      figure: `${better.length} of 10`,
    },
  ];
}

const seconds = (ms: number | null): string => (ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`);
