/** The script of a report page. It is inlined, so it imports only types. */
import type Uplot from 'uplot';
import type { Plots } from './report.ts';

declare const uPlot: typeof Uplot;

const { axis, unit, places, at, bands = [], plots } = JSON.parse(document.querySelector('#data')!.textContent) as Plots;
const colours = ['#1b6ec2', '#d9822b', '#23824d', '#8a4fbf', '#c0362c', '#6b7280'];

/** uPlot's types declare the value 3 as an enum that does not exist at run time. */
// oxlint-disable-next-line typescript/no-unsafe-enum-assignment
const logarithmicScale: Uplot.Scale = { distr: 3 };
const floor = (value: number | null): number | null => (value === null ? null : Math.max(value, 0.01));

function shade(plot: Uplot): void {
  const { ctx, bbox } = plot;
  for (const { from, to, colour } of bands) {
    const left = plot.valToPos(from, 'x', true);
    ctx.fillStyle = colour;
    ctx.fillRect(left, bbox.top, plot.valToPos(to, 'x', true) - left, bbox.height);
  }
}

function draw({ title, series, places: valuePlaces, logarithmic = false }: Plots['plots'][number]): void {
  const frame = document.createElement('div');
  frame.className = 'plot';
  document.querySelector('#plots')!.append(frame);
  const data: Uplot.AlignedData = [[...at], ...series.map(({ values }) => values.map(logarithmic ? floor : (y) => y))];
  const drawn = new uPlot(
    {
      title,
      width: 540,
      height: 260,
      scales: {
        x: { time: false },
        y: logarithmic ? logarithmicScale : { range: (_, __, max) => [0, (max || 1) * 1.1] },
      },
      axes: [{ label: axis, labelSize: 18 }, { size: 60 }],
      series: [
        { label: unit, value: (_, value) => value?.toFixed(places) ?? '' },
        ...series.map(({ label, dashed = false }, index) => ({
          label,
          stroke: colours[index % colours.length]!,
          width: 1.5,
          ...(dashed && { dash: [4, 3] }),
          value: (_: Uplot, value: number | null) => value?.toFixed(valuePlaces) ?? '-',
        })),
      ],
      hooks: { drawClear: [shade] },
    },
    data,
  );
  frame.append(drawn.root);
}

for (const plot of plots) draw(plot);
