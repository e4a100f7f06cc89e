// npm packages. Node 24 is one of them: the packages node-<os>-<cpu> carry it as a binary.
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

/** True when node_modules holds what package-lock.json says. */
export function dependenciesInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted();
}

export async function installDependencies(progress) {
  if (!existsSync(join(root, 'package-lock.json'))) {
    throw new SetupError('package-lock.json is missing: this is not a complete checkout.');
  }
  let shown = 0;
  // Not `npm ci`: it refuses a lock file from which a registry without every platform's binaries left some out. This takes
  // the locked versions all the same, and writes nothing back.
  const { code, output } = await run('npm', ['install', '--no-save', '--no-progress', '--loglevel=http'], {
    log: 'npm-install',
    onLine: (line) => line.startsWith('npm http fetch') && progress(`${++shown} packages fetched`),
  });
  if (code !== 0) {
    if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT/.test(output)) {
      throw new SetupError(
        'The npm registry is out of reach. Check the network (or the proxy in `npm config get https-proxy`) and start again.',
      );
    }
    if (/ENOSPC/.test(output)) throw new SetupError('The disk is full. Dependencies need about 1 GB.');
    throw new SetupError(`npm install failed. Its output is in ${logPath('npm-install')}.`);
  }
  writeFileSync(stamp, wanted());
}

/** Node 24 from node_modules where there is a package for this machine, else the Node that runs us, if that is new enough. */
export function node24() {
  const packaged = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(packaged)) return packaged;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  throw new SetupError(
    `There is no packaged Node for ${process.platform}-${process.arch}, and this one is ${process.version}. Install Node 24 and start again.`,
  );
}

/** The environment of every child: our Node and the packages' programs come first, Nx keeps no daemon behind. */
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
