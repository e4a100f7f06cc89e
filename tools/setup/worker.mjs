// The mediasoup worker: a C++ program that the npm package contains as source. The prebuilt of mediasoup's release page is used
// where its SHA-256 is in tools/setup/worker-digests.json and it can be fetched; else tools/mediasoup-worker builds it. It is kept outside the checkout.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { cacheDir, logPath, root, run, SetupError } from './steps.mjs';
import { ensureSystem } from './system.mjs';

const recipe = join(root, 'tools', 'mediasoup-worker');
/** SHA-256 of each archive that may be used, by version and system. */
const digestsPath = join(root, 'tools', 'setup', 'worker-digests.json');
const source = join(root, 'node_modules', 'mediasoup');

function mediasoupVersion() {
  return JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')).version;
}

function recipeHash() {
  const hash = createHash('sha256');
  const files = readdirSync(recipe, { recursive: true })
    .map((name) => join(recipe, String(name)))
    .filter((path) => statSync(path).isFile() && !path.endsWith('.md'))
    .toSorted();
  for (const path of files) hash.update(readFileSync(path));
  return hash.digest('hex').slice(0, 12);
}

/** The path of this checkout's binary, which `ensureWorker` puts there. MEDIASOUP_WORKER_BIN overrides it. */
export function workerPath() {
  if (process.env.MEDIASOUP_WORKER_BIN) return process.env.MEDIASOUP_WORKER_BIN;
  const key = `${mediasoupVersion()}-${process.platform}-${process.arch}-${recipeHash()}`;
  return join(cacheDir, 'mediasoup-worker', key, 'mediasoup-worker');
}

/**
 * Whether the binary runs on this system. Without its parent's pipes the worker exits with code 41; any other end means that
 * it cannot run here, for example with another libc.
 * @param {string} path
 */
function workerRuns(path) {
  return spawnSync(path, { env: {}, stdio: 'ignore', timeout: 5000 }).status === 41;
}

/**
 * Fetches or builds the worker if it is missing. Returns its origin.
 * @param {import('./steps.mjs').Progress} progress
 */
export async function ensureWorker(progress) {
  const path = workerPath();
  if (existsSync(path)) {
    if (workerRuns(path)) return 'cached';
    if (process.env.MEDIASOUP_WORKER_BIN)
      throw new SetupError(
        `MEDIASOUP_WORKER_BIN names ${path}, which does not run here. Unset it, or build the worker for this system.`,
      );
    rmSync(path);
  } else if (process.env.MEDIASOUP_WORKER_BIN) {
    throw new SetupError(`MEDIASOUP_WORKER_BIN names ${path}, which does not exist. Unset it or correct the path.`);
  }
  mkdirSync(join(path, '..'), { recursive: true });
  progress('looking for a prebuilt');
  const why = await fetchPrebuilt(path);
  if (!why) return 'prebuilt';
  await build(path, why, progress);
  return `built, because ${why}`;
}

/**
 * Returns undefined when the prebuilt is in place, else why it is not. FLOTILLA_WORKER_BUILD=1 requests a build.
 * @param {string} path
 */
async function fetchPrebuilt(path) {
  if (process.env.FLOTILLA_WORKER_BUILD) return 'FLOTILLA_WORKER_BUILD is set';
  if (process.platform !== 'linux' && process.platform !== 'darwin') return `there is none for ${process.platform}`;
  const version = mediasoupVersion();
  // On Linux the kernel's major version is part of the name.
  const kernel = process.platform === 'linux' ? `-kernel${release().split('.')[0]}` : '';
  const system = `${process.platform}-${process.arch}${kernel}`;
  const expected = JSON.parse(readFileSync(digestsPath, 'utf8'))[`${version}-${system}`];
  if (!expected) return `no digest of the prebuilt ${version}-${system} is pinned`;
  const url = `https://github.com/versatica/mediasoup/releases/download/${version}/mediasoup-worker-${version}-${system}.tgz`;
  let archive;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) return `the release page answered ${response.status}`;
    const bytes = Buffer.from(await response.arrayBuffer());
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (digest !== expected) return `the prebuilt has the digest ${digest}, not the one that is pinned`;
    archive = gunzipSync(bytes);
  } catch {
    return 'the release page cannot be reached';
  }
  const binary = readTarEntry(archive, 'mediasoup-worker');
  if (!binary) return 'the release archive holds no worker';
  install(path, (target) => writeFileSync(target, binary));
  if (workerRuns(path)) return undefined;
  rmSync(path);
  return 'the prebuilt does not run on this system';
}

/**
 * The content of one file of a tar archive (POSIX ustar: 512-byte headers, name at 0, octal size at 124).
 * @param {Buffer} archive @param {string} name
 */
function readTarEntry(archive, name) {
  for (let at = 0; at + 512 <= archive.length;) {
    const entry = archive.toString('utf8', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(archive.toString('utf8', at + 124, at + 136), 8) || 0;
    if (entry.replace(/^\.\//, '') === name) return archive.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return undefined;
}

/** @param {string} path @param {string} why no prebuilt is used @param {import('./steps.mjs').Progress} progress */
async function build(path, why, progress) {
  if (process.platform !== 'linux') {
    throw new SetupError(
      `There is no prebuilt mediasoup worker: ${why}. The build recipe is for Debian. Build the worker yourself and name it in MEDIASOUP_WORKER_BIN.`,
    );
  }
  progress('installing build tools');
  await ensureSystem(['worker build tools'], progress);
  const dir = mkdtempSync(join(tmpdir(), 'mediasoup-worker-'));
  try {
    const configure = ['-G', 'Ninja', '-S', recipe, '-B', dir, '-DCMAKE_BUILD_TYPE=Release', `-DMEDIASOUP=${source}`];
    /** @type {[command: string, args: string[], log: string][]} */
    const commands = [
      ['cmake', configure, 'worker-configure'],
      ['ninja', ['-C', dir], 'worker-build'],
    ];
    for (const [command, args, log] of commands) {
      const onLine = (/** @type {string} */ line) => {
        const at = /^\[(\d+)\/(\d+)\]/.exec(line);
        if (at) progress(`compiling ${at[1]} of ${at[2]} files, 3 to 7 minutes on two cores, once`);
      };
      const { code } = await run(command, args, { log, onLine });
      if (code !== 0)
        throw new SetupError(`The mediasoup worker did not build. The compiler's output is in ${logPath(log)}.`);
    }
    install(path, (target) => copyFileSync(join(dir, 'mediasoup-worker'), target));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  if (!workerRuns(path)) throw new SetupError(`The mediasoup worker was built but does not run: try \`${path}\`.`);
}

/**
 * Writes a temporary file and renames it, so that a concurrent set-up never sees half a file.
 * @param {string} path @param {(target: string) => void} write
 */
function install(path, write) {
  const beside = `${path}.${process.pid}`;
  write(beside);
  chmodSync(beside, 0o755);
  renameSync(beside, path);
}
