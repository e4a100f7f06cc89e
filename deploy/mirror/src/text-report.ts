import type { Report, RouteReport } from './comparison.ts';

/** Below this probability, a difference of latencies is named one. */
const significance = 0.01;

/** The report for a terminal. */
export function textReport(report: Report): string {
  const { read, pairs, unmatched, repeated, rules, routes, total, examples } = report;
  const lines = [
    `production  ${read.production.exchanges} exchanges, ${read.production.damaged} damaged lines`,
    `shadow      ${read.shadow.exchanges} exchanges, ${read.shadow.damaged} damaged lines`,
    `pairs       ${pairs}; ${unmatched} of the shadow release without a match, ${repeated} repeated`,
    '',
    ...table([header, ...[...routes, total].map(cells)]),
    '',
    'state: one side lacks what the request is about; not a difference. larger: probability that a request takes the shadow release longer',
    'than production. p: of the Mann-Whitney U test; * below 0.01, of 20 pairs or more.',
  ];
  if (examples.length > 0) lines.push('', 'Differences');
  for (const { kind, request, requestId, traces, differences } of examples) {
    const named = Object.entries(traces).filter(([, id]) => id !== undefined);
    lines.push(
      `  ${kind}: ${request} (request ${requestId}${named.map(([side, id]) => `, ${side} trace ${id}`).join('')})`,
    );
    for (const { at, production, shadow } of differences)
      lines.push(`    ${at || '(body)'}: ${text(production)} | ${text(shadow)}`);
  }
  lines.push('', 'Rules: these count as equal', ...rules.map((rule) => `  - ${rule}`));
  return lines.join('\n');
}

const text = (value: unknown): string => (value === undefined ? 'absent' : JSON.stringify(value));

const header = [
  ...['route', 'pairs', 'status', 'body', 'state', 'p50 ms', 'shadow', 'p95 ms', 'shadow'],
  ...['p99 ms', 'shadow', 'larger', 'p'],
];

function cells({ route, pairs, status, body, state, latencyMs: { production, shadow, test } }: RouteReport): string[] {
  const times = (['p50', 'p95', 'p99'] as const).flatMap((at) => [production[at].toFixed(1), shadow[at].toFixed(1)]);
  const tested = test
    ? [
        test.secondIsLarger.toFixed(2),
        `${test.p < 0.001 ? '<0.001' : test.p.toFixed(3)}${test.p < significance ? '*' : ''}`,
      ]
    : ['-', '-'];
  return [route, ...[pairs, status, body, state].map(String), ...times, ...tested];
}

/** The first column to the left, others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
}
