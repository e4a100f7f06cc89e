import type { Plots, Series } from '@flotilla/loadtest-kit';
import type { Point, SimulationResult } from './simulation.ts';

const reasons = ['node_load', 'quality', 'rtt', 'drain', 'node_lost'];

/** Plots of the simulated day. Dashed: without the planner. */
export function plots(planned: SimulationResult, unplanned: SimulationResult): Plots {
  const series = (label: string, of: (point: Point) => number): Series => ({ label, values: planned.points.map(of) });
  const withoutPlanner = (label: string, of: (point: Point) => number): Series => ({
    label,
    values: unplanned.points.map(of),
    dashed: true,
  });
  const both = (of: (point: Point) => number): Series[] => [
    series('planner', of),
    withoutPlanner('without planner', of),
  ];
  return {
    axis: 'hour of the day',
    unit: 'h',
    places: 1,
    at: planned.points.map(({ hour }) => hour),
    plots: [
      { title: 'Peers', places: 0, series: [series('peers', ({ peers }) => peers)] },
      {
        title: 'Migrations begun in 5 minutes',
        places: 0,
        series: reasons.map((reason) => series(reason, ({ moves }) => moves[reason] ?? 0)),
      },
      {
        title: 'CPU of the nodes',
        places: 2,
        series: [
          series('mean', ({ cpuMean }) => cpuMean),
          series('busiest', ({ cpuMax }) => cpuMax),
          withoutPlanner('busiest, without planner', ({ cpuMax }) => cpuMax),
        ],
      },
      { title: 'Nodes above 90 %', places: 0, series: both(({ hot }) => hot) },
      { title: 'Nodes draining that are not empty', places: 0, series: both(({ draining }) => draining) },
      { title: 'Peers below 0.6 with a good access network', places: 0, series: both(({ poor }) => poor) },
    ],
  };
}
