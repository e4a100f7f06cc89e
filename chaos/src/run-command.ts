import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endTransports } from '@flotilla/light-peer';
import { onStopRequest } from '@flotilla/processes';
import { chooseDriver } from './choose-driver.ts';
import type { CommandLine } from './command-line.ts';
import type { Experiment } from './manifests/experiment.ts';
import { longestGap } from './report/markdown.ts';
import { writeReport } from './report/write-report.ts';
import { runExperiment, type RunResult } from './run.ts';

const exitCodes: Readonly<Record<RunResult['verdict'], number>> = {
  held: 0,
  violated: 1,
  inconclusive: 4,
  'not started': 4,
  aborted: 4,
};

function defaultFolder(name: string): string {
  const time = new Date().toISOString().replace(/[:.]/g, '-');
  return join(fileURLToPath(new URL('../reports', import.meta.url)), `${time}-${name}`);
}

function print(result: RunResult, path: string): void {
  console.log(`\n${result.experiment.name}: ${result.verdict}${result.reason ? ` (${result.reason})` : ''}`);
  for (const { probe, outcome, figure } of result.probes)
    console.log(`  ${outcome.padEnd(13)}${probe.phase}: ${probe.text} (${figure})`);
  for (const name of result.participants) {
    const gaps = (['before', 'during', 'after'] as const).map((phase) => longestGap(result, name, phase) ?? '-');
    console.log(`  ${name}: longest gap ${gaps.join(', ')} ms before, during, after`);
  }
  console.log(`Report: ${path}`);
}

/** Carries an experiment out and writes its report. Resolves to the exit code. */
export async function runCommand(line: CommandLine, experiment: Experiment): Promise<number> {
  const folder = line.report ?? defaultFolder(experiment.name);
  const stopped = new AbortController();
  onStopRequest(() => {
    console.error('\nStopping: the fault is undone …');
    stopped.abort();
  });
  const driver = await chooseDriver(line, experiment, folder);
  console.log(
    `${experiment.name} on the ${driver.name}\n  ${experiment.hypothesis}\n  Blast radius: ${experiment.blastRadius}\n`,
  );
  try {
    const result = await runExperiment(experiment, driver, {
      browser: line.browser,
      signal: stopped.signal,
      onEvent: ({ atMs, who, what }) => console.log(`  ${(atMs / 1000).toFixed(1).padStart(6)} s  ${who}: ${what}`),
    });
    print(result, writeReport(result, folder));
    return exitCodes[result.verdict];
  } finally {
    endTransports();
    await driver.close();
  }
}
