import type { Report } from '@flotilla/loadtest-kit';

/** The longest gap between two rendered frames of one publication at one viewer, during one migration. */
export interface Gap {
  readonly round: number;
  readonly migrated: string;
  readonly viewer: string;
  readonly of: string;
  readonly ms: number;
}

const percentiles = (unit: string): string[] => ['p50', 'p95', 'p99', 'max'].map((name) => `${name} (${unit})`);

/** The head rows of the tables. */
export const heads = {
  gaps: ['video', 'gaps', ...percentiles('ms')],
  durations: ['duration', 'migrations', ...percentiles('ms')],
  audio: ['concealed audio', 'samples', ...percentiles('ms per second')],
} as const;

const size = { width: 960, height: 360, left: 56, bottom: 32, top: 12 };
const goalMs = 150;

/** A point for each gap, by migration. Colour and shape differ for gaps at the migrated participant and at others. */
function plot(gaps: readonly Gap[]): string {
  const rounds = Math.max(1, ...gaps.map(({ round }) => round));
  const most = Math.max(goalMs * 2, ...gaps.map(({ ms }) => ms));
  const x = (round: number): number => size.left + (round / rounds) * (size.width - size.left - 12);
  const y = (ms: number): number => size.height - size.bottom - (ms / most) * (size.height - size.bottom - size.top);
  const points = gaps.map(({ round, viewer, migrated, of, ms }) => {
    const title = `<title>migration ${round} of ${migrated}: ${viewer} sees ${of}, ${Math.round(ms)} ms</title>`;
    return viewer === migrated
      ? `<rect class="migrated" x="${(x(round) - 3).toFixed(1)}" y="${(y(ms) - 3).toFixed(1)}" width="6" height="6">${title}</rect>`
      : `<circle class="${of === migrated ? 'of-migrated' : 'others'}" cx="${x(round).toFixed(1)}" cy="${y(ms).toFixed(1)}" r="3">${title}</circle>`;
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
.migrated { fill: #4f46e5; } .of-migrated { fill: #059669; } .others { fill: none; stroke: currentColor; opacity: .5; }
.key { display: inline-block; margin-right: 1.5rem; }
`;

/** The run with a drawing of every gap. */
export function report(results: {
  readonly when: string;
  readonly machine: string;
  /** The resolution, the frame rate and the impairment of the path. */
  readonly path: string;
  readonly rows: readonly (readonly (string | number)[])[];
  readonly durationRows: readonly (readonly (string | number)[])[];
  readonly audioRows: readonly (readonly (string | number)[])[];
  readonly gaps: readonly Gap[];
  readonly failures: readonly string[];
}): Report {
  const { when, machine, path, rows, durationRows, audioRows, gaps, failures } = results;
  return {
    title: 'Migrations',
    heading: 'Migrations between SFU nodes during a call',
    when,
    machine,
    about: `${path}${failures.length} failed.`,
    goals: [],
    drawing: `<style>${style}</style>
<p><span class="key" style="color:#4f46e5">■ received by the migrated participant</span><span class="key" style="color:#059669">● received by others from the
migrated participant</span><span class="key">○ received by others from others</span></p>
${plot(gaps)}`,
    tables: [
      { title: 'Longest gap between frames', head: heads.gaps, rows },
      { title: 'Duration of a migration', head: heads.durations, rows: durationRows },
      { title: 'Concealed audio', head: heads.audio, rows: audioRows },
      ...(failures.length > 0
        ? [{ title: 'Failed', head: ['migration'], rows: failures.map((failure) => [failure]) }]
        : []),
    ],
  };
}
