import type { RunResult } from '../run.ts';

const [width, laneHeight, left, top] = [960, 64, 90, 34];
const colours = { before: '#eef2f6', during: '#fdecea', after: '#eaf6ee' } as const;

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter]!);

/** The time line of a run: a lane for each participant with the gap at each look, the phases, and the events by number. */
export function timeline({ participants, gaps, spans, events }: RunResult): string {
  const endMs = Math.max(1, ...gaps.map(({ atMs }) => atMs), ...events.map(({ atMs }) => atMs));
  const scaleMs = Math.max(1000, ...gaps.map(({ gapMs }) => gapMs));
  const height = top + participants.length * laneHeight + 30;
  const x = (atMs: number): number => Math.round((left + (atMs / endMs) * (width - left - 10)) * 10) / 10;
  const bands = Object.entries(spans).map(
    ([phase, { fromMs, toMs }]) =>
      `<rect x="${x(fromMs)}" y="${top}" width="${Math.round((x(toMs) - x(fromMs)) * 10) / 10}" height="${height - top - 30}" fill="${colours[phase as keyof typeof colours]}"/>` +
      `<text x="${x(fromMs) + 3}" y="${height - 16}">${phase}</text>`,
  );
  const lanes = participants.map((name, index) => {
    const bottom = top + (index + 1) * laneHeight - 4;
    const points = gaps
      .filter(({ participant }) => participant === name)
      .map(({ atMs, gapMs }) => `${x(atMs)},${(bottom - (gapMs / scaleMs) * (laneHeight - 12)).toFixed(1)}`);
    return (
      `<text x="4" y="${bottom - laneHeight / 2 + 8}">${escape(name)}</text>` +
      `<line x1="${left}" y1="${bottom}" x2="${width - 10}" y2="${bottom}" stroke="#c8ced6"/>` +
      `<polyline points="${points.join(' ')}" fill="none" stroke="#1b6ec2" stroke-width="1.5"/>`
    );
  });
  const marks = events.map(
    ({ atMs, what }, index) =>
      `<g><title>${escape(what)}</title><line x1="${x(atMs)}" y1="${top - 6}" x2="${x(atMs)}" y2="${height - 30}" stroke="#8a4fbf" stroke-dasharray="2 3"/>` +
      `<text x="${x(atMs)}" y="${index % 2 === 0 ? 12 : 24}" text-anchor="middle" fill="#8a4fbf">${index + 1}</text></g>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11" fill="#1c2430">
<rect width="${width}" height="${height}" fill="#ffffff"/>
${[...bands, ...lanes, ...marks].join('\n')}
<text x="${width - 10}" y="${height - 4}" text-anchor="end">${(endMs / 1000).toFixed(0)} s; a lane is ${Math.round(scaleMs)} ms high</text>
</svg>
`;
}
