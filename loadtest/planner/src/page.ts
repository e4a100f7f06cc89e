/** The script of the report: it is put into the page as it is, so it imports nothing but types. */
import type Uplot from 'uplot';
import type { Point } from './simulation.ts';

declare const uPlot: typeof Uplot;

const { planned, unplanned } = JSON.parse(document.querySelector('#points')!.textContent) as {
  planned: Point[];
  unplanned: Point[];
};
const colours = ['#1b6ec2', '#d9822b', '#23824d', '#8a4fbf', '#c0362c'];
const reasons = ['node_load', 'quality', 'rtt', 'drain', 'node_lost'];

type Series = [label: string, of: (point: Point) => number, points?: readonly Point[]];

function plot(title: string, series: readonly Series[], digits: number): void {
  const frame = document.createElement('div');
  frame.className = 'plot';
  document.querySelector('#plots')!.append(frame);
  const data: Uplot.AlignedData = [
    planned.map(({ hour }) => hour),
    ...series.map(([, of, points = planned]) => points.map(of)),
  ];
  const drawn = new uPlot(
    {
      title,
      width: 540,
      height: 260,
      scales: { x: { time: false }, y: { range: (_, __, max) => [0, (max || 1) * 1.1] } },
      axes: [{ label: 'hour of the day', labelSize: 18 }, { size: 60 }],
      series: [
        { label: 'h', value: (_, value) => value?.toFixed(1) ?? '' },
        ...series.map(([label, , points], index) => ({
          label,
          stroke: colours[index % colours.length]!,
          width: 1.5,
          ...(points === unplanned && { dash: [4, 3] }),
          value: (_: Uplot, value: number | null) => value?.toFixed(digits) ?? '-',
        })),
      ],
    },
    data,
  );
  frame.append(drawn.root);
}

plot('Peers', [['peers', ({ peers }) => peers]], 0);
plot(
  'Migrations begun in 5 minutes',
  reasons.map((reason): Series => [reason, ({ moves }) => moves[reason] ?? 0]),
  0,
);
plot(
  'CPU of the nodes',
  [
    ['mean', ({ cpuMean }) => cpuMean],
    ['busiest', ({ cpuMax }) => cpuMax],
    ['busiest, left alone', ({ cpuMax }) => cpuMax, unplanned],
  ],
  2,
);
plot(
  'Nodes above 90 %',
  [
    ['planner', ({ hot }) => hot],
    ['left alone', ({ hot }) => hot, unplanned],
  ],
  0,
);
plot(
  'Nodes draining that are not empty',
  [
    ['planner', ({ draining }) => draining],
    ['left alone', ({ draining }) => draining, unplanned],
  ],
  0,
);
plot(
  'Peers below 0.6 by no fault of their network',
  [
    ['planner', ({ poor }) => poor],
    ['left alone', ({ poor }) => poor, unplanned],
  ],
  0,
);
