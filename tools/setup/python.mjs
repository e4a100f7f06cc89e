// Python programs: a virtual environment for each requirements.txt, in the cache, named after its content.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheDir, logPath, root, run, SetupError } from './steps.mjs';

/** The requirements of each environment. */
const environments = {
  bot: 'examples/python-bot/requirements.txt',
  tools: 'tools/python/requirements.txt',
};
/** @typedef {keyof typeof environments} PythonEnvironment */

/** @param {PythonEnvironment} name */
function folderOf(name) {
  const requirements = readFileSync(join(root, environments[name]));
  const version = createHash('sha256').update(requirements).digest('hex').slice(0, 12);
  return join(cacheDir, 'python', `${name}-${version}`);
}

/**
 * The Python of an environment.
 * @param {PythonEnvironment} name
 */
export const pythonPath = (name) => join(folderOf(name), 'bin', 'python');

/** @param {string} command @param {string[]} args */
async function orStop(command, args) {
  const { code, output } = await run(command, args, { log: 'python' });
  if (code === 0) return;
  if (/NewConnectionError|Temporary failure in name resolution|Network is unreachable/.test(output))
    throw new SetupError('The Python package index is out of reach. Check the network and start again.');
  throw new SetupError(`${command} ${args[0]} failed. Its output is in ${logPath('python')}.`);
}

/**
 * Creates an environment unless it exists.
 * @param {PythonEnvironment} name
 */
async function ensureEnvironment(name) {
  const folder = folderOf(name);
  const complete = join(folder, '.complete');
  if (existsSync(complete)) return false;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  await orStop('python3', ['-m', 'venv', folder]);
  await orStop(join(folder, 'bin', 'python'), [
    '-m',
    'pip',
    'install',
    '--quiet',
    '-r',
    join(root, environments[name]),
  ]);
  mkdirSync(complete);
  return true;
}

/** Creates the environments that are missing. Returns a note when there was something to do. */
export async function ensurePython() {
  /** @type {PythonEnvironment[]} */
  const names = ['bot', 'tools'];
  let installed = false;
  for (const name of names) installed = (await ensureEnvironment(name)) || installed;
  return installed ? 'packages installed' : undefined;
}
