// Checks of the whole workspace. Each resolves to undefined, or to its findings.
import { join } from 'node:path';
import { commitProblems } from './commits.mjs';
import { brokenLinks } from './document-links.mjs';
import { staleDocuments } from './generate.mjs';
import { wrongQuotes } from './quoted-constants.mjs';
import { wrongVersions } from './release/versions.mjs';
import { childEnv } from './setup/dependencies.mjs';
import { root, run } from './setup/steps.mjs';
import { testsThatDoNotRun } from './tests-run.mjs';

/** @param {string} program @param {readonly string[]} args */
async function command(program, args) {
  const { code, output } = await run(join(root, 'node_modules', '.bin', program), args, { env: childEnv() });
  return code === 0 ? undefined : output;
}

const sources = ['libs', 'services', 'deploy', 'loadtest', 'chaos', 'tools'];

export const workspaceChecks = [
  { name: 'commit messages', check: commitProblems },
  { name: 'format', check: () => command('oxfmt', ['--check', '.']) },
  {
    name: 'import boundaries and cycles',
    check: () => command('depcruise', ['--config', '.dependency-cruiser.json', ...sources]),
  },
  { name: 'types of tools', check: () => command('tsc', ['-p', 'tools']) },
  {
    name: 'dead code and undeclared dependencies',
    check: () => command('knip', ['--no-progress', '--no-config-hints']),
  },
  {
    name: 'generated documents are up to date',
    check: async () => {
      const stale = await staleDocuments();
      return stale.length === 0 ? undefined : `stale: ${stale.join(', ')}. Run: npm run generate`;
    },
  },
  {
    name: 'links and paths in documents',
    check: async () => (await brokenLinks()).join('\n') || undefined,
  },
  {
    name: 'constants that documents quote',
    check: async () => (await wrongQuotes()).join('\n') || undefined,
  },
  { name: 'versions of the release', check: async () => (await wrongVersions()).join('\n') || undefined },
  { name: 'every test is in a tier that runs', check: async () => testsThatDoNotRun().join('\n') || undefined },
];
