import { readFileSync } from 'node:fs';
import { readCommandLine, UsageError } from './command-line.ts';
import { Refused } from './drivers/driver.ts';
import { type Experiment, experiments, lasting } from './manifests/experiment.ts';
import { experimentRows } from './manifests/table.ts';
import { refusedBy, requirePossible } from './refusals.ts';

const usage = readFileSync(new URL('../usage.txt', import.meta.url), 'utf8');
function list(all: readonly Experiment[]): void {
  for (const [name = '', kind = '', duration = '', hypothesis = '', , refused = ''] of experimentRows(
    all,
    refusedBy,
  ).slice(1)) {
    console.log(`${name.replaceAll('`', '').padEnd(26)} ${kind}, ${duration}${refused && `; not by: ${refused}`}`);
    console.log(`${' '.repeat(27)}${hypothesis}`);
  }
}

async function main(): Promise<number> {
  const all = experiments();
  const line = readCommandLine(
    process.argv.slice(2),
    all.map(({ name }) => name),
  );
  if (line === 'help') {
    console.log(usage);
    return 0;
  }
  if (line.name === 'list') {
    list(all);
    return 0;
  }
  const found = all.find(({ name }) => name === line.name)!;
  const experiment = line.minutes === undefined ? found : lasting(found, line.minutes * 60_000);
  requirePossible(line, experiment);
  // Services, brokers and browsers take seconds to load: not for the list.
  const { runCommand } = await import('./run-command.ts');
  return runCommand(line, experiment);
}

try {
  process.exitCode = await main();
} catch (error) {
  const { message } = error as Error;
  if (error instanceof UsageError) console.error(`${message}\n\n${usage}`);
  else console.error(error instanceof Refused ? `Refused: ${message}` : `\nThe experiment failed: ${message}`);
  process.exitCode = error instanceof UsageError ? 2 : error instanceof Refused ? 3 : 1;
}
