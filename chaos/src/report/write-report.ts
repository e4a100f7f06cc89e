import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunResult } from '../run.ts';
import { markdownReport } from './markdown.ts';
import { timeline } from './timeline.ts';

/** Writes `report.md`, `report.json` and `timeline.svg` into a folder, which it makes. Returns the path of the first. */
export function writeReport(result: RunResult, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'report.md');
  writeFileSync(path, markdownReport(result, 'timeline.svg'));
  writeFileSync(join(folder, 'timeline.svg'), timeline(result));
  const { experiment, ...rest } = result;
  const { name, kind, hypothesis, blastRadius, steps } = experiment;
  writeFileSync(
    join(folder, 'report.json'),
    `${JSON.stringify({ experiment: { name, kind, hypothesis, blastRadius, steps }, ...rest }, null, 1)}\n`,
  );
  return path;
}
