// Checks numbers that the documents quote from the code. A quote is written `700 ms (\`lostAfterMs\`)`.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup/steps.mjs';

/** The files that define the quoted constants. */
const sources = [
  'services/autoscaler/src/heartbeats.ts',
  'libs/contracts/src/migration.ts',
  'libs/data-channel/src/frames/limits.ts',
];

/** The quotes that differ from the code, one sentence each. */
export function wrongQuotes() {
  const values = new Map();
  for (const source of sources)
    for (const [, name = '', value = ''] of readFileSync(join(root, source), 'utf8').matchAll(
      /const (\w+) = ([\d_]+);/g,
    ))
      values.set(name, Number(value.replaceAll('_', '')));
  return ['docs', 'docs/decisions'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...readFileSync(join(root, folder, file), 'utf8').matchAll(/([\d,]+) ms \(`(\w+)`\)/g)]
          .filter(([, quoted = '', name]) => values.get(name) !== Number(quoted.replaceAll(',', '')))
          .map(([, quoted, name]) => `${folder}/${file} says ${name} is ${quoted} ms, the code ${values.get(name)}`),
      ),
  );
}
