// The mediasoup worker: a C++ program that the npm package carries as source. We take the project's own prebuilt where its
// release page is in reach, else build it with the recipe in tools/mediasoup-worker, and keep it outside the checkout.
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

/** Where the binary for this checkout is, or will be. MEDIASOUP_WORKER_BIN overrides it. */
export function workerPath() {
  if (process.env.MEDIASOUP_WORKER_BIN) return process.env.MEDIASOUP_WORKER_BIN;
  const key = `${mediasoupVersion()}-${process.platform}-${process.arch}-${recipeHash()}`;
  return join(cacheDir, 'mediasoup-worker', key, 'mediasoup-worker');
}

/** The worker refuses to run outside its parent with exit code 41; any other end means that it can't run here (say, another libc). */
export function workerRuns(path) {
  return spawnSync(path, { env: {}, stdio: 'ignore', timeout: 5000 }).status === 41;
}

/** Makes sure that there is a worker that runs, and says where it came from. */
export async function ensureWorker(progress) {
  const path = workerPath();
  if (existsSync(path)) {
    if (workerRuns(path)) return 'cached';
    if (process.env.MEDIASOUP_WORKER_BIN)
      throw new SetupError(`MEDIASOUP_WORKER_BIN names ${path}, which does not run here.`);
    rmSync(path);
  } else if (process.env.MEDIASOUP_WORKER_BIN) {
    throw new SetupError(`MEDIASOUP_WORKER_BIN names ${path}, which does not exist.`);
  }
  mkdirSync(join(path, '..'), { recursive: true });
  progress('looking for a prebuilt');
  const why = await fetchPrebuilt(path);
  if (!why) return 'prebuilt';
  await build(path, progress);
  return `built, because ${why}`;
}

/** Returns why there is no prebuilt, or undefined when it is in place. FLOTILLA_WORKER_BUILD=1 asks for a build. */
async function fetchPrebuilt(path) {
  if (process.env.FLOTILLA_WORKER_BUILD) return 'FLOTILLA_WORKER_BUILD is set';
  if (process.platform !== 'linux' && process.platform !== 'darwin') return `there is none for ${process.platform}`;
  const version = mediasoupVersion();
  // On Linux the kernel's major version is part of the name.
  const kernel = process.platform === 'linux' ? `-kernel${release().split('.')[0]}` : '';
  const system = `${process.platform}-${process.arch}${kernel}`;
  const url = `https://github.com/versatica/mediasoup/releases/download/${version}/mediasoup-worker-${version}-${system}.tgz`;
  let archive;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) return `the release page answered ${response.status}`;
    archive = gunzipSync(Buffer.from(await response.arrayBuffer()));
  } catch {
    return 'the release page is out of reach';
  }
  const binary = readTarEntry(archive, 'mediasoup-worker');
  if (!binary) return 'the release archive holds no worker';
  install(path, (target) => writeFileSync(target, binary));
  if (workerRuns(path)) return undefined;
  rmSync(path);
  return 'the prebuilt does not run on this system';
}

/** The content of one file of a tar archive (POSIX ustar: 512-byte headers, name at 0, octal size at 124). */
function readTarEntry(archive, name) {
  for (let at = 0; at + 512 <= archive.length;) {
    const entry = archive.toString('utf8', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(archive.toString('utf8', at + 124, at + 136), 8) || 0;
    if (entry.replace(/^\.\//, '') === name) return archive.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return undefined;
}

async function build(path, progress) {
  if (process.platform !== 'linux') {
    throw new SetupError(
      'No prebuilt mediasoup worker could be fetched, and our build recipe is for Debian. Check the network and start again.',
    );
  }
  progress('installing build tools');
  await ensureSystem(['worker build tools'], progress);
  const dir = mkdtempSync(join(tmpdir(), 'mediasoup-worker-'));
  try {
    const configure = ['-G', 'Ninja', '-S', recipe, '-B', dir, '-DCMAKE_BUILD_TYPE=Release', `-DMEDIASOUP=${source}`];
    for (const [command, args, log] of [
      ['cmake', configure, 'worker-configure'],
      ['ninja', ['-C', dir], 'worker-build'],
    ]) {
      const onLine = (line) => {
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

/** Writes beside and renames, so that two set-ups at once never see half a file. */
function install(path, write) {
  const beside = `${path}.${process.pid}`;
  write(beside);
  chmodSync(beside, 0o755);
  renameSync(beside, path);
}
