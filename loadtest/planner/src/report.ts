import { type Report, summarize, type Goal } from '@flotilla/loadtest-kit';
import { plots } from './plots.ts';
import type { ScalingComparison, ScalingResult } from './scaling.ts';
import type { SimulationResult } from './simulation.ts';

/** The same simulated day with and without the planner. */
interface Results {
  readonly when: string;
  readonly machine: string;
  readonly planned: SimulationResult;
  readonly unplanned: SimulationResult;
  readonly scaling: ScalingComparison;
}

const times = (values: readonly number[]): string => {
  const { count, p50, p95, max } = summarize(values);
  return count === 0 ? 'none' : `${p50} / ${p95} / ${max} (${count})`;
};

/** The goals of the simulation. */
function goals({ planned, scaling: { own, hpa } }: Results): Goal[] {
  const hot = summarize(planned.hotSeconds);
  const drains = summarize(planned.drainSeconds);
  return [
    {
      what: 'rules of the plan broken: 0',
      met: planned.violations.length === 0,
      figure: planned.violations[0] ?? '0',
    },
    {
      what: 'a hot node cools down within 60 s',
      met: hot.max <= 60,
      figure: `${hot.max} s at most, ${hot.count} times`,
    },
    {
      what: 'a drained node is empty within 180 s',
      met: drains.max <= 180,
      figure: `${drains.max} s at most, ${drains.count} drains`,
    },
    {
      what: 'moves per peer and hour below 0.2',
      met: planned.movesPerPeerHour < 0.2,
      figure: planned.movesPerPeerHour.toFixed(3),
    },
    {
      what: 'scaling refuses no join, with fewer node hours than an HPA',
      met: own.refused === 0 && own.nodeHours < hpa.nodeHours,
      figure: `${own.refused} refused, ${own.nodeHours.toFixed(1)} h; HPA: ${hpa.refused} refused, ${hpa.nodeHours.toFixed(1)} h`,
    },
  ];
}

function figures({ planned, unplanned }: Results): [string, string, string][] {
  const both = (name: string, of: (result: SimulationResult) => string): [string, string, string] => [
    name,
    of(planned),
    of(unplanned),
  ];
  return [
    both('above 90 % CPU, s: p50 / p95 / max (times)', ({ hotSeconds }) => times(hotSeconds)),
    both('drain until empty, s: p50 / p95 / max (drains)', ({ drainSeconds }) => times(drainSeconds)),
    both('node death until its peer is migrated, s: p50 / p95 / max (peers)', ({ lostSeconds }) => times(lostSeconds)),
    both('peers in poor quality with a good access network, mean', ({ points }) =>
      (points.reduce((sum, { poor }) => sum + poor, 0) / Math.max(points.length, 1)).toFixed(1),
    ),
    both('migrations', ({ moves }) =>
      Object.entries(moves)
        .map(([reason, count]) => `${reason}: ${count}`)
        .join(', '),
    ),
    both('of those, rolled back', ({ rolledBack }) => String(rolledBack)),
    both('moves per peer and hour', ({ movesPerPeerHour }) => movesPerPeerHour.toFixed(3)),
    both('moves of one peer, maximum', ({ mostMovesOfAPeer }) => String(mostMovesOfAPeer)),
    both('peers moved because of their access network', ({ noisyMoved }) => String(noisyMoved)),
    both('peer hours', ({ peerHours }) => peerHours.toFixed(0)),
    both('a plan takes, ms: mean, max', ({ planMs, options }) =>
      options.plans ? `${planMs.mean.toFixed(2)}, ${planMs.max.toFixed(0)}` : '',
    ),
    both('the simulation took, s', ({ tookSeconds }) => tookSeconds.toFixed(1)),
    both('events', ({ counts }) =>
      Object.entries(counts)
        .map(([name, count]) => `${name}: ${count}`)
        .join(', '),
    ),
  ];
}

function scalingRows({ own, hpa, ideal }: ScalingComparison): (string | number)[][] {
  const row = (name: string, { nodeHours, refused, moved, turns }: ScalingResult): (string | number)[] => [
    ...[name, nodeHours.toFixed(1), refused, moved, turns],
  ];
  return [row('autoscaler', own), row('HPA, 70 % CPU', hpa), row('as many as needed, at once', ideal)];
}

/** The simulation as a report page. */
export function report(results: Results): Report {
  const { when, machine, planned, unplanned, scaling } = results;
  const { nodes, peers, hours, tickSeconds, seed } = planned.options;
  return {
    title: 'Planner simulation',
    heading: `Planner simulation of ${hours} hours: ${nodes} nodes, ${peers} peers`,
    when,
    machine,
    about: `a model of a fleet on a simulated clock, seed ${seed}, a plan every ${tickSeconds} s. Compared with the same day without a planner, in which only peers of dead nodes rejoin.`,
    goals: goals(results),
    plots: plots(planned, unplanned),
    tables: [
      { title: 'Figures', head: ['measure', 'planner', 'without planner'], rows: figures(results) },
      {
        title: `Number of nodes: ${scaling.seeds} days of up to ${scaling.peak} sessions`,
        head: ['policy', 'node hours', 'joins refused', 'sessions moved', 'changes of direction'],
        rows: scalingRows(scaling),
      },
    ],
  };
}
