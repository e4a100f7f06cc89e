import type { Report } from '@flotilla/loadtest-kit';

/** A gap between two frames: around which migration, of whom, who saw it, of whom, how long. */
export interface Gap {
  readonly round: number;
  readonly mover: string;
  readonly viewer: string;
  readonly of: string;
  readonly ms: number;
}

export const rowHead = ['who sees whom', 'count', 'p50', 'p95', 'p99', 'max'];

const size = { width: 960, height: 360, left: 56, bottom: 32, top: 12 };
const goalMs = 150;

/** A point for each gap, by migration; the mover's own view and that of the others told apart by colour and shape. */
function plot(gaps: readonly Gap[]): string {
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

const style = `
svg { width: 100%; font-size: 12px; fill: currentColor; }
.grid { stroke: currentColor; opacity: .15; } .goal { stroke: #c2410c; stroke-dasharray: 6 4; }
.mover { fill: #4f46e5; } .of-mover { fill: #059669; } .others { fill: none; stroke: currentColor; opacity: .5; }
.key { display: inline-block; margin-right: 1.5rem; }
`;

/** The run with a drawing of every gap. */
export function report(results: {
  readonly when: string;
  readonly machine: string;
  /** The pictures, and how the way to the nodes was impaired. */
  readonly path: string;
  readonly rows: readonly (readonly (string | number)[])[];
  readonly soundRows: readonly (readonly (string | number)[])[];
  readonly gaps: readonly Gap[];
  readonly failures: readonly string[];
}): Report {
  const { when, machine, path, rows, soundRows, gaps, failures } = results;
  return {
    title: 'Migrations',
    heading: 'Moving people from node to node while they talk',
    when,
    machine,
    about: `${path}${failures.length} failed.`,
    goals: [],
    drawing: `<style>${style}</style>
<p><span class="key" style="color:#4f46e5">■ what the mover sees</span><span class="key" style="color:#059669">● what the others see of the
mover</span><span class="key">○ what the others see of each other</span></p>
${plot(gaps)}`,
    tables: [
      { title: 'Longest gap between frames, ms', head: rowHead, rows },
      { title: 'Concealed sound, ms per second of sound', head: rowHead, rows: soundRows },
      ...(failures.length > 0
        ? [{ title: 'Failed', head: ['migration'], rows: failures.map((failure) => [failure]) }]
        : []),
    ],
  };
}
