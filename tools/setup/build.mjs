// The build, by Nx. A fingerprint of the sources (path, time, size) shows within milliseconds that nothing changed.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { childEnv, node24 } from './dependencies.mjs';
import { logPath, root, run, SetupError } from './steps.mjs';

const stamp = join(root, 'node_modules', '.flotilla-built');
const skipped = new Set(['node_modules', 'dist', 'test', 'e2e', '.results']);

function fingerprint() {
  const hash = createHash('sha256');
  const visit = (/** @type {string} */ dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (skipped.has(entry.name)) continue;
      const path = join(dir, entry.name);
      if (entry.isDirectory()) visit(path);
      else {
        const { mtimeMs, size } = statSync(path);
        hash.update(`${path}\0${mtimeMs}\0${size}\n`);
      }
    }
  };
  for (const dir of ['libs', 'services', 'deploy', 'loadtest', 'chaos'])
    if (existsSync(join(root, dir))) visit(join(root, dir));
  for (const file of ['package-lock.json', 'tsconfig.base.json', 'nx.json'])
    hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

/** Whether the last build was of these sources. */
export function isBuilt() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint();
}

/** @param {import('./steps.mjs').Progress} progress */
export async function build(progress) {
  const print = fingerprint();
  const { code, output } = await run(
    node24(),
    [join(root, 'node_modules', 'nx', 'dist', 'bin', 'nx.js'), 'run-many', '-t', 'build', '--outputStyle=static'],
    {
      env: childEnv(),
      log: 'build',
      onLine: (line) => {
        const done = /^\s*✔\s+nx run (\S+)|^> nx run (\S+)/.exec(line);
        if (done) progress(done[1] ?? done[2] ?? '');
      },
    },
  );
  if (code !== 0) {
    const errors = output
      .split('\n')
      .filter((line) => /error/i.test(line))
      .slice(0, 10);
    throw new SetupError(`The build failed:\n${errors.join('\n')}\nThe whole output is in ${logPath('build')}.`);
  }
  writeFileSync(stamp, print);
}
