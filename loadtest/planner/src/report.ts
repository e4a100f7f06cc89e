import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { summarize } from './figures.ts';
import type { SimulationResult } from './simulation.ts';

/** The same day twice: under the planner, and left alone. */
export interface Results {
  readonly when: string;
  readonly machine: string;
  readonly planned: SimulationResult;
  readonly unplanned: SimulationResult;
}

const uplotDir = dirname(fileURLToPath(import.meta.resolve('uplot')));

const times = (values: readonly number[]): string => {
  const { count, p50, p95, max } = summarize(values);
  return count === 0 ? 'none' : `${p50} / ${p95} / ${max} (${count})`;
};

/** What the day has to show. */
export function verdicts({ planned }: Results): { what: string; met: boolean; figure: string }[] {
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
    both('node dead until its peer is elsewhere, s: p50 / p95 / max (peers)', ({ lostSeconds }) => times(lostSeconds)),
    both('peers in poor quality by no fault of their network, mean', ({ points }) =>
      (points.reduce((sum, { poor }) => sum + poor, 0) / Math.max(points.length, 1)).toFixed(1),
    ),
    both('migrations', ({ moves }) =>
      Object.entries(moves)
        .map(([reason, count]) => `${reason}: ${count}`)
        .join(', '),
    ),
    both('of those, came to nothing', ({ undone }) => String(undone)),
    both('moves per peer and hour', ({ movesPerPeerHour }) => movesPerPeerHour.toFixed(3)),
    both('moves of one peer, at most', ({ mostMovesOfAPeer }) => String(mostMovesOfAPeer)),
    both('peers with a bad access network moved for it', ({ noisyMoved }) => String(noisyMoved)),
    both('peer hours', ({ peerHours }) => peerHours.toFixed(0)),
    both('a plan takes, ms: mean, max', ({ planMs, options }) =>
      options.plans ? `${planMs.mean.toFixed(2)}, ${planMs.max.toFixed(0)}` : '',
    ),
    both('the simulation took, s', ({ tookSeconds }) => tookSeconds.toFixed(1)),
    both('what happened', ({ counts }) =>
      Object.entries(counts)
        .map(([name, count]) => `${name}: ${count}`)
        .join(', '),
    ),
  ];
}

/** The results for a terminal, as Markdown. */
export function summary(results: Results): string {
  return [
    ...verdicts(results).map(({ what, met, figure }) => `${met ? 'met   ' : 'MISSED'}  ${what}: ${figure}`),
    '',
    '| | planner | left alone |',
    '| --- | --- | --- |',
    ...figures(results).map((row) => `| ${row.join(' | ')} |`),
    '',
    ...results.planned.violations.slice(0, 20),
  ].join('\n');
}

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter]!);

const style = `
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c2430; background: #f5f6f8 }
body { max-width: 1180px; margin: 0 auto; padding: 24px }
h1 { font-size: 24px; margin: 0 0 4px } h2 { font-size: 17px; margin: 32px 0 8px } p { margin: 0 0 12px; color: #5a6474 }
.verdicts { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 12px; margin: 20px 0 }
.verdict { background: #fff; border-radius: 8px; padding: 12px 16px; border-left: 5px solid #c0362c }
.verdict.met { border-color: #23824d } .verdict b { display: block } .verdict em { font-style: normal; font-weight: 600; color: #c0362c }
.verdict.met em { color: #23824d }
table { border-collapse: collapse; background: #fff; border-radius: 8px; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 5px 12px; border-bottom: 1px solid #e8eaee } td { overflow-wrap: anywhere }
#plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(540px, 1fr)); gap: 16px }
.plot { background: #fff; border-radius: 8px; padding: 8px }
`;

/** The results as one page that needs nothing else. */
export function writeReport(results: Results): string {
  const read = (path: string): string => readFileSync(path, 'utf8');
  const { planned, unplanned } = results;
  const { nodes, peers, hours, tickSeconds, seed } = planned.options;
  const page = read(fileURLToPath(new URL('./page.js', import.meta.url))).replace(/\n\/\/# sourceMappingURL.*/, '');
  // Within a script, `<` could only end it.
  const data = JSON.stringify({ planned: planned.points, unplanned: unplanned.points }).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The planner through a day</title>
<style>${read(join(uplotDir, 'uPlot.min.css'))}${style}</style></head><body>
<h1>The planner through ${hours} hours: ${nodes} nodes, ${peers} peers</h1>
<p>${escape(results.when)} · ${escape(results.machine)} · a model of a fleet on a simulated clock, seed ${seed}, a plan every ${tickSeconds} s. Then the same kind of day left alone: only the peers of dead nodes find another one, by themselves.</p>
<div class="verdicts">${verdicts(results)
    .map(
      ({ what, met, figure }) =>
        `<div class="verdict${met ? ' met' : ''}"><b>${escape(what)}</b><em>${met ? 'met' : 'missed'}</em>: ${escape(figure)}</div>`,
    )
    .join('')}</div>
<div id="plots"></div>
<h2>Figures</h2><table><thead><tr><th></th><th>planner</th><th>left alone</th></tr></thead><tbody>${figures(results)
    .map((row) => `<tr>${row.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`)
    .join('')}</tbody></table>
<script>${read(join(uplotDir, 'uPlot.iife.min.js'))}</script>
<script type="application/json" id="points">${data}</script>
<script type="module">${page}</script>
</body></html>
`;
}
