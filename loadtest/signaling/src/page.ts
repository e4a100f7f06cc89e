/** The script of the report: it is put into the page as it is, so it imports nothing but types. */
import type Uplot from 'uplot';
import type { Second } from './results.ts';

declare const uPlot: typeof Uplot;

const seconds = JSON.parse(document.querySelector('#seconds')!.textContent) as Second[];
const colours = ['#1b6ec2', '#d9822b', '#23824d', '#8a4fbf', '#c0362c', '#6b7280'];
const tints: Record<string, string> = { join: '#eaf2fb', load: '#eef7f1', leave: '#f6f1ea' };

/** The types name this 3 by an enum that does not exist at run time. */
// oxlint-disable-next-line typescript/no-unsafe-enum-assignment
const logarithmicScale: Uplot.Scale = { distr: 3 };

type Series = [label: string, of: (second: Second) => number | null, dashed?: boolean];

function shade(plot: Uplot): void {
  const { ctx, bbox } = plot;
  let from = 0;
  for (let at = 1; at <= seconds.length; at++) {
    if (seconds[at]?.phase === seconds[from]!.phase) continue;
    const [kind = '', side] = seconds[from]!.phase.split(': ');
    const [left, right] = [seconds[Math.max(from - 1, 0)]!.at, seconds[at - 1]!.at].map((value) =>
      plot.valToPos(value, 'x', true),
    ) as [number, number];
    ctx.fillStyle = side === 'bare' ? '#f3f3f5' : (tints[kind] ?? '#fff');
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    from = at;
  }
}

function plot(title: string, series: readonly Series[], logarithmic = false): void {
  const frame = document.createElement('div');
  frame.className = 'plot';
  document.querySelector('#plots')!.append(frame);
  const floor = (value: number | null): number | null => (value === null ? null : Math.max(value, 0.01));
  const data: Uplot.AlignedData = [
    seconds.map(({ at }) => at),
    ...series.map(([, of]) => seconds.map((second) => (logarithmic ? floor(of(second)) : of(second)))),
  ];
  const drawn = new uPlot(
    {
      title,
      width: 540,
      height: 260,
      scales: {
        x: { time: false },
        y: logarithmic ? logarithmicScale : { range: (_, __, max) => [0, (max || 1) * 1.1] },
      },
      axes: [{ label: 'seconds into the run', labelSize: 18 }, { size: 60 }],
      series: [
        { label: 's', value: (_, value) => value?.toFixed(0) ?? '' },
        ...series.map(([label, , dashed], index) => ({
          label,
          stroke: colours[index % colours.length]!,
          width: 1.5,
          ...(dashed && { dash: [4, 3] }),
          value: (_: Uplot, value: number | null) => value?.toFixed(2) ?? '-',
        })),
      ],
      hooks: { drawClear: [shade] },
    },
    data,
  );
  frame.append(drawn.root);
}

plot('Sessions held', [
  ['flotilla', ({ held }) => held.flotilla],
  ['bare ws', ({ held }) => held.bare],
]);
plot(
  'Join, from TCP to the reply, ms (log)',
  [
    ['p50', ({ join }) => join.p50],
    ['p99', ({ join }) => join.p99],
  ],
  true,
);
plot(
  'Dispatch, sender to receiver, ms (log)',
  [
    ['flotilla p50', ({ dispatch }) => dispatch.flotilla.p50, true],
    ['flotilla p99', ({ dispatch }) => dispatch.flotilla.p99],
    ['bare p50', ({ dispatch }) => dispatch.bare.p50, true],
    ['bare p99', ({ dispatch }) => dispatch.bare.p99],
  ],
  true,
);
plot('CPU, cores', [
  ['gateway', ({ cpu }) => cpu.flotilla],
  ['bare ws', ({ cpu }) => cpu.bare],
  ['registry', ({ cpu }) => cpu.registry],
  ['clients', ({ cpu }) => cpu.clients],
  ['machine, of all cores', ({ cpu }) => cpu.machine, true],
  ['other programs, of all cores', ({ cpu }) => cpu.others, true],
]);
plot('Memory, MB', [
  ['gateway RSS', ({ rssMb }) => rssMb.flotilla],
  ['bare ws RSS', ({ rssMb }) => rssMb.bare],
  ['gateway heap', ({ heapMb }) => heapMb, true],
]);
plot(
  'Event-loop delay p99, 10 ms timer included, ms (log)',
  [
    ['gateway', ({ loopDelayMs }) => loopDelayMs.flotilla],
    ['bare ws', ({ loopDelayMs }) => loopDelayMs.bare],
    ['busiest client process', ({ loopDelayMs }) => loopDelayMs.clients, true],
  ],
  true,
);
