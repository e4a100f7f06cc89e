// npm packages. Node 24 is one of them: the packages node-<os>-<cpu> contain its binary.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { logPath, root, run, SetupError } from './steps.mjs';

const stamp = join(root, 'node_modules', '.flotilla-installed');

function wanted() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/** Whether node_modules was installed from the current package-lock.json. */
export function dependenciesInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted();
}

/** @param {import('./steps.mjs').Progress} progress */
export async function installDependencies(progress) {
  if (!existsSync(join(root, 'package-lock.json'))) {
    throw new SetupError('package-lock.json is missing: this is not a complete checkout.');
  }
  let shown = 0;
  // `npm ci` refuses a lock file that lacks optional packages of other platforms. This installs the locked versions too.
  const { code, output } = await run('npm', ['install', '--no-save', '--no-progress', '--loglevel=http'], {
    log: 'npm-install',
    onLine: (line) => line.startsWith('npm http fetch') && progress(`${++shown} packages fetched`),
  });
  if (code !== 0) {
    if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT/.test(output)) {
      throw new SetupError(
        'The npm registry cannot be reached. Check the network, or the proxy in `npm config get https-proxy`, and start again.',
      );
    }
    if (/ENOSPC/.test(output)) throw new SetupError('The disk is full. Dependencies need about 1 GB.');
    throw new SetupError(`npm install failed. Its output is in ${logPath('npm-install')}.`);
  }
  writeFileSync(stamp, wanted());
}

/** Path of Node 24: of node_modules where there is a package for this machine, else the running Node if it is new enough. */
export function node24() {
  const packaged = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(packaged)) return packaged;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  throw new SetupError(
    `npm has no Node package for ${process.platform}-${process.arch}, and the installed Node is ${process.version}. Install Node 24 and start again.`,
  );
}

/**
 * The environment of every child: the programs of node_modules come first, and Nx starts no daemon.
 * @param {Readonly<Record<string, string>>} [extra]
 * @returns {NodeJS.ProcessEnv}
 */
export function childEnv(extra = {}) {
  const bin = join(root, 'node_modules', '.bin');
  return {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    NX_DAEMON: 'false',
    NX_NO_CLOUD: 'true',
    NX_TUI: 'false',
    ...extra,
  };
}
