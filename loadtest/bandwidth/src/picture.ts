import { available, type RunResult, sampleMs } from './simulate.ts';
import type { Trace } from './traces.ts';

const colours: Record<RunResult['contender'], string> = {
  gcc: '#2f6fb0',
  'gcc, reports': '#3a8a4d',
  article: '#c2571a',
  oracle: '#8a8a8a',
};
const size = { width: 760, left: 62, right: 24, head: 58, panel: 170, gap: 34, foot: 40 };
const plotWidth = size.width - size.left - size.right;
const height = size.head + 2 * size.panel + size.gap + size.foot;

interface Curve {
  readonly colour: string;
  readonly values: readonly number[];
  readonly isDashed?: boolean;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const rounded = (value: number): number => Math.round(value * 10) / 10;

/** The least of 1, 2 and 5 times a power of ten that leaves at most five lines. */
function stepOf(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => most / step <= 5)!;
}

/** Curves over the time of the trace, with lines at round values. */
function panel(top: number, title: string, curves: readonly Curve[], seconds: number, most: number): string {
  const y = (value: number): number => rounded(top + size.panel * (1 - Math.min(value, most) / most));
  const x = (index: number): number => rounded(size.left + (plotWidth * (index + 1) * sampleMs) / 1000 / seconds);
  const step = stepOf(most);
  const grid = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => {
    const at = y(index * step);
    const label = rounded(index * step);
    return `<path d="M${size.left} ${at}h${plotWidth}" stroke="#e2e2e2"/><text x="${size.left - 6}" y="${at + 4}" text-anchor="end" fill="#666">${label}</text>`;
  });
  const lines = curves.map(({ colour, values, isDashed }) => {
    const points = values.map((value, index) => `${x(index)} ${y(value)}`).join(' ');
    return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"${isDashed ? ' stroke-dasharray="4 3"' : ''}/>`;
  });
  return [`<text x="${size.left}" y="${top - 8}" fill="#444">${title}</text>`, ...grid, ...lines].join('\n');
}

/** Targets and queues of the estimators over a trace, as an SVG file. */
export function picture(trace: Trace, results: readonly RunResult[]): string {
  const shown = results.filter(({ contender }) => contender !== 'oracle');
  const capacity = results[0]!.targets.map((_, index) => available(trace, (index + 1) * sampleMs) / 1e6);
  const rates: Curve[] = [
    { colour: '#111', values: capacity, isDashed: true },
    ...shown.map(({ contender, targets }) => ({
      colour: colours[contender],
      values: targets.map((target) => target / 1e6),
    })),
  ];
  const queues = shown.map(({ contender, queues: values }) => ({ colour: colours[contender], values }));
  const top = { rates: size.head, queues: size.head + size.panel + size.gap };
  const legend = [
    ...shown.map(({ contender }) => [contender, colours[contender]] as const),
    ['capacity', '#111'] as const,
  ]
    .map(
      ([name, colour], index) =>
        `<rect x="${size.left + 130 * index}" y="25" width="12" height="4" fill="${colour}"/><text x="${size.left + 130 * index + 18}" y="32" fill="#333">${name}</text>`,
    )
    .join('\n');
  const seconds = Array.from({ length: Math.floor(trace.seconds / 10) + 1 }, (_, index) => index * 10)
    .map(
      (at) =>
        `<text x="${rounded(size.left + (plotWidth * at) / trace.seconds)}" y="${height - 14}" text-anchor="middle" fill="#666">${at} s</text>`,
    )
    .join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" width="${size.width}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${size.left}" y="16" font-weight="bold">${escaped(`${trace.name}: ${trace.about}`)}</text>
${legend}
${panel(top.rates, 'target (Mbit/s)', rates, trace.seconds, 1.5 * Math.max(...capacity))}
${panel(top.queues, 'longest time in the queue (ms)', queues, trace.seconds, Math.max(50, ...queues.flatMap(({ values }) => values)))}
${seconds}
</svg>
`;
}
