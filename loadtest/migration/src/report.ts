/** A gap between two frames: around which migration, who saw it, of whom, how long. */
export interface Gap {
  readonly round: number;
  readonly viewer: string;
  readonly of: string;
  readonly ms: number;
}

export interface Summary {
  readonly what: string;
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** Percentiles by nearest rank, rounded to a millisecond. */
export function summary(what: string, values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
  return { what, count: sorted.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}

const size = { width: 960, height: 360, left: 56, bottom: 32, top: 12 };
const goalMs = 150;

/** A point for each gap, by migration; the mover's own view and that of the others told apart by colour and shape. */
function plot(gaps: readonly (Gap & { mover: string })[]): string {
  const rounds = Math.max(1, ...gaps.map(({ round }) => round));
  const most = Math.max(goalMs * 2, ...gaps.map(({ ms }) => ms));
  const x = (round: number): number => size.left + (round / rounds) * (size.width - size.left - 12);
  const y = (ms: number): number => size.height - size.bottom - (ms / most) * (size.height - size.bottom - size.top);
  const points = gaps.map(({ round, viewer, mover, of, ms }) => {
    const title = `<title>migration ${round} of ${mover}: ${viewer} sees ${of}, ${Math.round(ms)} ms</title>`;
    return viewer === mover
      ? `<rect class="mover" x="${(x(round) - 3).toFixed(1)}" y="${(y(ms) - 3).toFixed(1)}" width="6" height="6">${title}</rect>`
      : `<circle class="${of === mover ? 'of-mover' : 'others'}" cx="${x(round).toFixed(1)}" cy="${y(ms).toFixed(1)}" r="3">${title}</circle>`;
  });
  const lines = Array.from({ length: 5 }, (_, index) => Math.round((most / 4) * index)).map(
    (ms) =>
      `<line class="grid" x1="${size.left}" x2="${size.width}" y1="${y(ms)}" y2="${y(ms)}"/><text x="${size.left - 8}" y="${y(ms) + 4}" text-anchor="end">${ms}</text>`,
  );
  return `<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="Longest gap between frames by migration">
${lines.join('')}
<line class="goal" x1="${size.left}" x2="${size.width}" y1="${y(goalMs)}" y2="${y(goalMs)}"/>
<text x="${size.width - 4}" y="${y(goalMs) - 5}" text-anchor="end">goal ${goalMs} ms</text>
${points.join('\n')}
<text x="${size.width / 2}" y="${size.height - 6}" text-anchor="middle">migration</text></svg>`;
}

/** The report as one page that needs nothing else. */
export function reportPage(results: {
  readonly machine: string;
  readonly rows: readonly Summary[];
  readonly gaps: readonly (Gap & { mover: string })[];
  readonly failures: readonly string[];
}): string {
  const { machine, rows, gaps, failures } = results;
  const cells = (values: readonly (string | number)[]): string => values.map((value) => `<td>${value}</td>`).join('');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Migrations</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .3rem .9rem .3rem 0; text-align: left; }
svg { width: 100%; font-size: 12px; fill: currentColor; }
.grid { stroke: currentColor; opacity: .15; } .goal { stroke: #c2410c; stroke-dasharray: 6 4; }
.mover { fill: #4f46e5; } .of-mover { fill: #059669; } .others { fill: none; stroke: currentColor; opacity: .5; }
.key { display: inline-block; margin-right: 1.5rem; }
</style>
<h1>Moving people from node to node while they talk</h1>
<p>${new Date().toISOString().slice(0, 16).replace('T', ' ')} · ${machine} · ${failures.length} failed</p>
<table><tr><th>longest gap between frames, ms</th><th>count</th><th>p50</th><th>p95</th><th>max</th></tr>
${rows.map(({ what, count, p50, p95, max }) => `<tr>${cells([what, count, p50, p95, max])}</tr>`).join('\n')}</table>
<p><span class="key" style="color:#4f46e5">■ what the mover sees</span><span class="key" style="color:#059669">● what the others see of the
mover</span><span class="key">○ what the others see of each other</span></p>
${plot(gaps)}
${failures.length > 0 ? `<h2>Failed</h2><ul>${failures.map((failure) => `<li>${failure.replaceAll('<', '&lt;')}</li>`).join('')}</ul>` : ''}
</html>
`;
}
