import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type PageAssets, type Report, reportHtml } from './report.ts';

/** Date and machine of a run, for its report. */
export function runInfo(): { when: string; machine: string } {
  return {
    when: new Date().toISOString(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`,
  };
}

function assets(): PageAssets {
  const uplot = dirname(fileURLToPath(import.meta.resolve('uplot')));
  const read = (path: string): string => readFileSync(path, 'utf8');
  return {
    uplotCss: read(join(uplot, 'uPlot.min.css')),
    uplotScript: read(join(uplot, 'uPlot.iife.min.js')),
    // The compiled script is next to this file.
    pageScript: read(fileURLToPath(new URL('./page.js', import.meta.url))).replace(/\n\/\/# sourceMappingURL.*/, ''),
  };
}

/**
 * Writes the page and the results as JSON to `reports/` of the benchmark with this `import.meta.url`, and prints the path. Returns the
 * path without extension, for additional files.
 */
export function writeReport(benchmark: string, report: Report, results: unknown): string {
  const reports = fileURLToPath(new URL('../reports/', benchmark));
  mkdirSync(reports, { recursive: true });
  const path = join(reports, report.when.replace(/[:.]/g, '-'));
  writeFileSync(`${path}.json`, JSON.stringify(results, null, 1));
  writeFileSync(`${path}.html`, reportHtml(report, assets()));
  console.log(`Report: ${path}.html`);
  return path;
}
