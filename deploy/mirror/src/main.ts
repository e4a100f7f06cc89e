import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compareCaptures } from './comparison.ts';
import { textReport } from './text-report.ts';

const usage = readFileSync(new URL('../usage.txt', import.meta.url), 'utf8');

process.exitCode = await run(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      production: { type: 'string', multiple: true, default: [] },
      shadow: { type: 'string', multiple: true, default: [] },
      exact: { type: 'boolean', default: false },
      ignore: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      examples: { type: 'string', default: '20' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const { production, shadow, exact, ignore } = values;
  if (production.length === 0 || shadow.length === 0)
    throw new Error(`Name a capture of each side, with --production and --shadow.\n\n${usage}`);
  const examples = Number(values.examples);
  if (!Number.isInteger(examples) || examples < 0) throw new Error(`--examples ${values.examples}: not a number`);
  const report = await compareCaptures(production, shadow, { exact, ignore, examples });
  console.log(textReport(report));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (report.pairs === 0) {
    console.error(
      'No request is in the captures of both sides. Are they of the same time, and does the proxy send X-Request-Id?',
    );
    return 2;
  }
  return report.total.status + report.total.body > 0 ? 1 : 0;
}
