// Every test runs in a tier: a project with tests of a tier has its script, and a script has tests.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './setup/steps.mjs';

const tiers = ['integration', 'e2e', 'firefox', 'soak', 'nightly', 'cluster'];

/** The tier of a test file, by its name: `test` when it names none. @param {string} file */
function tierOf(file) {
  const named = /\.([\w-]+)\.test\.ts$/.exec(file)?.[1];
  return named !== undefined && tiers.includes(named) ? named : 'test';
}

/** @returns {string[]} tests without the script that runs them, and scripts without tests */
export function testsThatDoNotRun() {
  const manifests = globSync(['{libs,services,deploy,loadtest}/*/package.json', 'chaos/package.json'], { cwd: root });
  return manifests.flatMap((manifest) => {
    const folder = dirname(manifest);
    if (!existsSync(join(root, folder, 'test'))) return [];
    const { scripts = {} } = JSON.parse(readFileSync(join(root, manifest), 'utf8'));
    const files = globSync('test/**/*.test.ts', { cwd: join(root, folder) });
    const used = new Set(files.map(tierOf));
    return ['test', ...tiers].flatMap((tier) => {
      if (used.has(tier) === tier in scripts) return [];
      return [
        `${folder}: ${used.has(tier) ? `has tests of the tier ${tier}, and no script` : `has a script ${tier}, and no tests of it`}`,
      ];
    });
  });
}
