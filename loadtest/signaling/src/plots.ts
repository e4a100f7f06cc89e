import type { Plots, Series } from '@flotilla/loadtest-kit';
import type { Second } from './results.ts';

const tints: Readonly<Record<string, string>> = { join: '#eaf2fb', load: '#eef7f1', leave: '#f6f1ea' };

/** One band per phase. It starts a second early, because a sample covers the second before it. */
function bands(seconds: readonly Second[]): NonNullable<Plots['bands']> {
  const starts = [...seconds.keys()].filter((at) => seconds[at - 1]?.phase !== seconds[at]!.phase);
  return starts.map((start, index) => {
    const [kind = '', side] = seconds[start]!.phase.split(': ');
    return {
      from: seconds[Math.max(start - 1, 0)]!.at,
      to: seconds[(starts[index + 1] ?? seconds.length) - 1]!.at,
      colour: side === 'bare' ? '#f3f3f5' : (tints[kind] ?? '#fff'),
    };
  });
}

/** Both sides over the seconds of the run. */
export function plots(seconds: readonly Second[]): Plots {
  const series = (label: string, of: (second: Second) => number | null, dashed = false): Series => ({
    label,
    values: seconds.map(of),
    dashed,
  });
  return {
    axis: 'seconds into the run',
    unit: 's',
    places: 0,
    at: seconds.map(({ at }) => at),
    bands: bands(seconds),
    plots: [
      {
        title: 'Sessions in their rooms',
        places: 2,
        series: [series('flotilla', ({ inRoom }) => inRoom.flotilla), series('bare ws', ({ inRoom }) => inRoom.bare)],
      },
      {
        title: 'Join, from TCP to the reply, ms (log)',
        places: 2,
        logarithmic: true,
        series: [series('p50', ({ join }) => join.p50), series('p99', ({ join }) => join.p99)],
      },
      {
        title: 'Dispatch, sender to receiver, ms (log)',
        places: 2,
        logarithmic: true,
        series: [
          series('flotilla p50', ({ dispatch }) => dispatch.flotilla.p50, true),
          series('flotilla p99', ({ dispatch }) => dispatch.flotilla.p99),
          series('bare p50', ({ dispatch }) => dispatch.bare.p50, true),
          series('bare p99', ({ dispatch }) => dispatch.bare.p99),
        ],
      },
      {
        title: 'CPU, cores',
        places: 2,
        series: [
          series('gateway', ({ cpu }) => cpu.flotilla),
          series('bare ws', ({ cpu }) => cpu.bare),
          series('registry', ({ cpu }) => cpu.registry),
          series('clients', ({ cpu }) => cpu.clients),
          series('machine, of all cores', ({ cpu }) => cpu.machine, true),
          series('other programs, of all cores', ({ cpu }) => cpu.others, true),
        ],
      },
      {
        title: 'Memory, MB',
        places: 2,
        series: [
          series('gateway RSS', ({ rssMb }) => rssMb.flotilla),
          series('bare ws RSS', ({ rssMb }) => rssMb.bare),
          series('gateway heap', ({ heapMb }) => heapMb, true),
        ],
      },
      {
        title: 'Event-loop delay p99, 10 ms timer included, ms (log)',
        places: 2,
        logarithmic: true,
        series: [
          series('gateway', ({ loopDelayMs }) => loopDelayMs.flotilla),
          series('bare ws', ({ loopDelayMs }) => loopDelayMs.bare),
          series('busiest client process', ({ loopDelayMs }) => loopDelayMs.clients, true),
        ],
      },
    ],
  };
}
