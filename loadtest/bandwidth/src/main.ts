import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { markdown, runInfo, writeReport } from '@flotilla/loadtest-kit';
import { contenders } from './contenders.ts';
import { goals } from './goals.ts';
import { benchmarkOptions } from './options.ts';
import { picture } from './picture.ts';
import { simulate } from './simulate.ts';
import { documentTables, head, rows, tablesBegin, tablesEnd } from './table.ts';
import { traces } from './traces.ts';

/** Traces whose pictures are in docs/images. */
const picturesInDocs = new Set(['steps', 'cell', 'jitter', 'random loss', 'quiet source', 'RFC 8867 5.1']);
const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));

const { seed, docs: writesDocs } = benchmarkOptions();
const results = traces.flatMap((trace) => contenders.map((contender) => simulate(trace, contender, seed)));
const pictures = traces.map((trace) => ({
  name: trace.name,
  svg: picture(
    trace,
    results.filter((each) => each.trace === trace.name),
  ),
}));

const info = runInfo();
const shown = {
  title: 'Bandwidth estimators',
  heading: 'Bandwidth estimators on simulated links',
  ...info,
  about: `${traces.length} traces, seed ${seed}, virtual time`,
  goals: goals(results),
  tables: [
    { title: 'Traces', head: ['trace', 'link'], rows: traces.map(({ name, about }) => [name, about]) },
    { title: 'Figures', head, rows: rows(results) },
  ],
  drawing: pictures.map(({ svg }) => svg).join('\n'),
};
console.log(`\n${markdown(shown.goals, shown.tables)}\n`);
const path = writeReport(import.meta.url, shown, { ...info, seed, results });
for (const { name, svg } of pictures) writeFileSync(`${path}-${fileName(name)}.svg`, svg);
if (writesDocs) writeDocs();
if (shown.goals.some(({ met }) => !met)) process.exitCode = 1;

function fileName(trace: string): string {
  return trace.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

function writeDocs(): void {
  for (const { name, svg } of pictures)
    if (picturesInDocs.has(name)) writeFileSync(`${docs}images/bandwidth-${fileName(name)}.svg`, svg);
  const text = readFileSync(`${docs}bandwidth.md`, 'utf8');
  const [from, to] = [text.indexOf(tablesBegin) + tablesBegin.length, text.indexOf(tablesEnd)];
  writeFileSync(`${docs}bandwidth.md`, `${text.slice(0, from)}\n\n${documentTables(results)}\n\n${text.slice(to)}`);
  console.log('docs/bandwidth.md and its pictures are written: format them with `npm run format`.');
}
