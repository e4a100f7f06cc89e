import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readOptions } from './options.ts';
import { type Results, summary, verdicts, writeReport } from './report.ts';
import { simulate } from './simulation.ts';

const options = readOptions();
const reports = fileURLToPath(new URL('../reports/', import.meta.url));

console.log(`${options.hours} h of ${options.nodes} nodes and ${options.peers} peers, with the planner and without …`);
const results: Results = {
  when: new Date().toISOString(),
  machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`,
  planned: simulate(options),
  unplanned: simulate({ ...options, plans: false }),
};
mkdirSync(reports, { recursive: true });
const path = join(reports, results.when.replace(/[:.]/g, '-'));
writeFileSync(`${path}.json`, JSON.stringify(results, null, 1));
writeFileSync(`${path}.html`, writeReport(results));
console.log(`\n${summary(results)}\nReport: ${path}.html`);
if (verdicts(results).some(({ met }) => !met)) process.exitCode = 1;
