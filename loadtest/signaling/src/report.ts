import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Side } from './protocol.ts';
import { type Results, type SideResult, type Spread, verdicts } from './results.ts';

const uplotDir = dirname(fileURLToPath(import.meta.resolve('uplot')));

const ms = (value: number | null): string => (value === null ? '-' : value < 100 ? value.toFixed(2) : value.toFixed(0));
const times = ({ p50, p95, p99, max }: Spread): string => [p50, p95, p99, max].map(ms).join(' / ');

function medianP99({ turns }: Pick<Results, 'turns'>, side: Side): string {
  const sorted = turns
    .filter((turn) => turn.side === side)
    .map(({ dispatch }) => dispatch.p99 ?? 0)
    .toSorted((a, b) => a - b);
  return ms(sorted[Math.floor(sorted.length / 2)] ?? null);
}

/** The figures of both sides, line by line. */
function figures({ sides: { flotilla, bare }, ...rest }: Results): [string, string, string][] {
  const both = (name: string, of: (side: SideResult) => string): [string, string, string] => [
    name,
    of(flotilla),
    of(bare),
  ];
  return [
    both('sessions held under load: mean, least', (side) => `${side.heldMean.toFixed(0)}, ${side.heldLeast}`),
    both('all joined after, s', (side) => side.enteredSeconds.toFixed(1)),
    both('handshake p50 / p95 / p99 / max, ms', (side) => times(side.handshake)),
    both('join (TCP to reply) p50 / p95 / p99 / max, ms', (side) => times(side.join)),
    both('dispatch p50 / p95 / p99 / max, ms: all turns', (side) => times(side.dispatch)),
    both('the same: judged turns', (side) => times(side.quietDispatch)),
    ['the same: median of the p99 of its turns', medianP99(rest, 'flotilla'), medianP99(rest, 'bare')],
    both('message to its reply p50 / p95 / p99 / max, ms', (side) => times(side.reply)),
    both('cut to back p50 / p95 / p99 / max, ms', (side) => times(side.resume)),
    both('deliveries timed', (side) => String(side.dispatch.count)),
    both('CPU under its load, of one core', (side) => `${(side.cpu * 100).toFixed(0)} %`),
    both('memory per session, KiB RSS', (side) => side.rssPerSessionKb.toFixed(1)),
    both(
      'event-loop delay p99 (gateway: of 5 s, bare: of 1 s), 10 ms timer included: typical, worst, ms',
      (side) => `${ms(side.loopDelayMs.typical)}, ${ms(side.loopDelayMs.worst)}`,
    ),
    ['garbage collection, of the time', `${(rest.gcShare * 100).toFixed(1)} %`, ''],
    ['event-loop delay p99 of the busiest client process, ms', ms(rest.clientLoopDelayMs), ''],
    ['all left after, s', rest.leftSeconds.toFixed(1), ''],
    both('acknowledged / unanswered', ({ verification: v }) => `${v.acknowledged} / ${v.unanswered}`),
    both('lost / twice / out of order', ({ verification: v }) => `${v.lost} / ${v.duplicates} / ${v.outOfOrder}`),
    both('members checked', ({ verification: v }) => `${v.members - v.unchecked} of ${v.members}`),
  ];
}

const counts = (side: SideResult): string =>
  Object.entries(side.counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ');

function turns({ turns }: Results): string[][] {
  return turns.map(({ side, dispatch, others }, index) => [
    String(index + 1),
    side,
    String(dispatch.count),
    times(dispatch),
    `${(others * 100).toFixed(0)} %`,
  ]);
}

const turnHead = ['turn', 'side', 'deliveries', 'dispatch p50 / p95 / p99 / max, ms', 'others on this machine'];

/** The results for a terminal, as Markdown. */
export function summary(results: Results): string {
  const { flotilla, bare } = results.sides;
  return [
    ...verdicts(results).map(({ what, met, figure }) => `${met ? 'met   ' : 'MISSED'}  ${what}: ${figure}`),
    '',
    '| | flotilla | bare ws |',
    '| --- | --- | --- |',
    ...figures(results).map((row) => `| ${row.join(' | ')} |`),
    '',
    `| ${turnHead.join(' | ')} |`,
    '| --- | --- | --- | --- | --- |',
    ...turns(results).map((row) => `| ${row.join(' | ')} |`),
    '',
    `flotilla: ${counts(flotilla)}`,
    `bare: ${counts(bare)}`,
    ...results.profiles.flatMap(({ phase, functions }) => [
      '',
      `Where the gateway's time went (${phase}), function by function:`,
      ...functions.slice(0, 20).map(({ name, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${name}`),
    ]),
  ].join('\n');
}

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter]!);
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><thead><tr>${head.map((cell) => `<th>${escape(cell)}</th>`).join('')}</tr></thead><tbody>${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`)
    .join('')}</tbody></table>`;

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
  const { options, sides } = results;
  const page = read(fileURLToPath(new URL('./page.js', import.meta.url))).replace(/\n\/\/# sourceMappingURL.*/, '');
  // Within a script, `<` could only end it.
  const data = JSON.stringify(results.seconds).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Signaling under load</title>
<style>${read(join(uplotDir, 'uPlot.min.css'))}${style}</style></head><body>
<h1>Signaling under load: ${options.sessions} sessions, ${options.rooms} rooms, one gateway process</h1>
<p>${escape(results.when)} · ${escape(results.machine)} · ${results.tls ? 'WSS' : 'plain WebSocket'} · ${options.rate} messages/s into rooms of ${(options.sessions / options.rooms).toFixed(0)}, ${(options.reconnects * 100).toFixed(1)} % of the sessions cut and back each second. A bare <code>ws</code> server does the same sends in turns with it; both keep all sessions connected.</p>
<div class="verdicts">${verdicts(results)
    .map(
      ({ what, met, figure }) =>
        `<div class="verdict${met ? ' met' : ''}"><b>${escape(what)}</b><em>${met ? 'met' : 'missed'}</em>: ${escape(figure)}</div>`,
    )
    .join('')}</div>
<div id="plots"></div>
<h2>Figures</h2>${table(['', 'flotilla', 'bare ws'], figures(results))}
<h2>Turn by turn</h2>${table(turnHead, turns(results))}
<h2>Counts</h2>${table(
    ['', 'flotilla', 'bare ws'],
    [...new Set([...Object.keys(sides.flotilla.counts), ...Object.keys(sides.bare.counts)])].map((name) => [
      name,
      String(sides.flotilla.counts[name] ?? 0),
      String(sides.bare.counts[name] ?? 0),
    ]),
  )}
${results.profiles
  .map(
    ({ phase, functions }) =>
      `<h2>Where the gateway's time went: ${escape(phase)}</h2>${table(
        ['share', 'function'],
        functions.map(({ name, share }) => [`${(share * 100).toFixed(1)} %`, name]),
      )}`,
  )
  .join('')}
<script>${read(join(uplotDir, 'uPlot.iife.min.js'))}</script>
<script type="application/json" id="seconds">${data}</script>
<script type="module">${page}</script>
</body></html>
`;
}
