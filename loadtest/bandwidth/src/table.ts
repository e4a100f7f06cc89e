import type { RunResult } from './simulate.ts';
import { traces } from './traces.ts';

export const head = [
  'trace',
  'estimator',
  'use of the capacity',
  'queue p50 / p95 / p99 (ms)',
  'loss (%)',
  'end (kbit/s)',
  'to 90 % (s)',
] as const;

/** A row for each run. */
export function rows(results: readonly RunResult[]): string[][] {
  return results.map((result) => [
    result.trace,
    result.contender,
    result.use.toFixed(2),
    [result.queueP50Ms, result.queueP95Ms, result.queueP99Ms].map((ms) => ms.toFixed(0)).join(' / '),
    (100 * result.loss).toFixed(1),
    (result.endBitrate / 1000).toFixed(0),
    result.reachedMs === null ? 'never' : (result.reachedMs / 1000).toFixed(1),
  ]);
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The tables of docs/bandwidth.md: the traces, and the figures. */
export function documentTables(results: readonly RunResult[]): string {
  const described = [['trace', 'link'], ['---', '---'], ...traces.map(({ name, about }) => [name, about])];
  const figures = [head, head.map(() => '---'), ...rows(results)];
  return `${described.map(line).join('\n')}\n\n${figures.map(line).join('\n')}`;
}

/** The lines between which docs/bandwidth.md has the tables. */
export const [tablesBegin, tablesEnd] = [
  '<!-- tables: npm run bench:bandwidth -- --docs -->',
  '<!-- end of tables -->',
];
