// `npm run compare`: compares the captures of production and of a shadow release. Options: see deploy/mirror.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runWithHelp } from './setup/help.mjs';
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { root } from './setup/steps.mjs';

const usage = readFileSync(join(root, 'deploy', 'mirror', 'usage.txt'), 'utf8');

await runWithHelp(usage, async () => {
  await prepare();
  return runInForeground('deploy/mirror/dist/main.js', process.argv.slice(2));
});
