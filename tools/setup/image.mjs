// The image of every service, built from deploy/image/Dockerfile with buildah on a base of Debian packages: it needs the package
// servers of Debian and npm, but no image registry. Images and layers are kept in the cache.
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { node24 } from './dependencies.mjs';
import { cacheDir, logPath, root, run, SetupError } from './steps.mjs';
import { which } from './system.mjs';
import { workerPath } from './worker.mjs';

const storage = join(cacheDir, 'image');

/** Libraries of Node and of the media worker. libsrtp2-1 brings NSS, which loads SQLite at run time. */
const libraries = ['libc6', 'libstdc++6', 'libssl3', 'libuv1', 'libsrtp2-1', 'libabsl20220623'];

/** @type {{ version: string }} */
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** The name under which the chart and the cluster know the image. */
export const imageName = `docker.io/flotilla/flotilla:${version}`;

/** The image as a file that containerd imports. */
export const imageArchive = join(storage, `flotilla-${version}.tar`);

/**
 * Runs buildah on the images of the cache. Resolves to what it wrote.
 * @param {readonly string[]} args
 * @param {{ log?: string, onLine?: (line: string) => void }} [options]
 */
export async function buildah(args, { log = 'image', onLine } = {}) {
  mkdirSync(storage, { recursive: true });
  const own = ['--root', join(storage, 'storage'), '--runroot', join(storage, 'run'), '--storage-driver', 'overlay'];
  const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
  const { code, output } = await run('buildah', [...own, ...args], { env, log, ...(onLine && { onLine }) });
  if (code !== 0) throw new SetupError(`buildah ${args[0]} failed. Its output is in ${logPath(log)}.`);
  return output.trim();
}

/** @param {string} path */
const sha256 = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** @param {string} name */
async function exists(name) {
  return (await buildah(['images', '--noheading', '--filter', `reference=${name}`])) !== '';
}

/**
 * Makes the images that Dockerfile takes as BASE and BUILDER unless they exist: the libraries and Node 24 with nothing else, not
 * even a shell; and Debian with the same libraries, Node and npm.
 * @param {import('./steps.mjs').Progress} progress
 */
async function ensureBase(progress) {
  const node = realpathSync(node24());
  // npm is a link to bin/npm-cli.js of its package.
  const npm = dirname(dirname(realpathSync(which('npm') ?? '')));
  const { version: npmVersion } = JSON.parse(readFileSync(join(npm, 'package.json'), 'utf8'));
  const key = createHash('sha256')
    .update(JSON.stringify([libraries, sha256(node), npmVersion, ...[ensureBase, debian, imageOf].map(String)]))
    .digest('hex')
    .slice(0, 12);
  const base = `localhost/flotilla-base:${key}`;
  const builder = `localhost/flotilla-builder:${key}`;
  if ((await exists(base)) && (await exists(builder))) return { base, builder };

  const dir = mkdtempSync(join(tmpdir(), 'flotilla-base-'));
  try {
    progress('Debian packages');
    const system = await debian('minbase', join(dir, 'system.tar'));
    const bare = await debian('extract', join(dir, 'libraries.tar'));
    progress('base images');
    const builderContainer = await imageOf(system, node);
    await buildah(['add', '--quiet', builderContainer, npm, '/usr/local/lib/node_modules/npm']);
    const bin = '../lib/node_modules/npm/bin';
    for (const name of ['npm', 'npx'])
      await buildah(['run', builderContainer, '--', 'ln', '-s', `${bin}/${name}-cli.js`, `/usr/local/bin/${name}`]);

    // Packages that are only extracted are not recorded. Scanners and the bill of materials read them from this file.
    const { output: files } = await run('tar', ['--list', '--file', bare, '--wildcards', './usr/share/doc/*']);
    const packages = files.split('\n').flatMap((path) => /^\.\/usr\/share\/doc\/([^/]+)\/?$/.exec(path)?.[1] ?? []);
    const status = join(dir, 'status');
    writeFileSync(status, `${await buildah(['run', builderContainer, '--', 'dpkg', '--status', ...packages])}\n`);
    const container = await imageOf(bare, node);
    await buildah(['add', '--quiet', container, status, '/var/lib/dpkg/status']);
    await buildah(['commit', '--quiet', '--rm', builderContainer, builder]);
    await buildah(['commit', '--quiet', '--rm', container, base]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return { base, builder };
}

/**
 * Writes a Debian system with the libraries to a file.
 * @param {string} variant of mmdebstrap
 * @param {string} file
 */
async function debian(variant, file) {
  const args = [`--variant=${variant}`, `--include=${libraries.join(',')}`, 'bookworm', file];
  const { code } = await run('mmdebstrap', args, { log: `image-${variant}` });
  if (code !== 0) throw new SetupError(`mmdebstrap failed. Its output is in ${logPath(`image-${variant}`)}.`);
  return file;
}

/**
 * Starts an image with the content of an archive and Node.
 * @param {string} archive
 * @param {string} node
 */
async function imageOf(archive, node) {
  const container = await buildah(['from', 'scratch']);
  await buildah(['add', '--quiet', container, archive, '/']);
  await buildah(['add', '--quiet', '--chmod', '755', container, node, '/usr/local/bin/node']);
  await buildah(['config', '--env', 'PATH=/usr/local/bin:/usr/bin:/bin', container]);
  return container;
}

/** Options that give the build this machine's npm settings and certificates, without keeping them in the image. */
function secrets() {
  /** @type {[id: string, path: string | undefined][]} */
  const known = [
    ['npmrc', join(homedir(), '.npmrc')],
    ['ca', process.env.NODE_EXTRA_CA_CERTS ?? '/etc/ssl/certs/ca-certificates.crt'],
  ];
  return known.flatMap(([id, path]) =>
    path && statSync(path, { throwIfNoEntry: false }) ? ['--secret', `id=${id},src=${path}`] : [],
  );
}

/** Prints seconds since the start of Node when the code of all services is loaded, and those of CPU. */
const loading = `
  await import('/app/deploy/image/dist/index.js');
  const { user, system } = process.cpuUsage();
  console.log((performance.now() / 1e3).toFixed(1), ((user + system) / 1e6).toFixed(1));
  process.exit();
`;

/** What loading all services in the image takes. The start of one loads a part of them, and connects to brokers. */
async function startTime() {
  const container = await buildah(['from', '--pull-never', imageName]);
  try {
    const output = await buildah(['run', container, '--', 'node', '--input-type=module', '--eval', loading]);
    const [seconds, cpuSeconds] = output.split(' ');
    return `loads the code of all services in ${seconds} s (${cpuSeconds} s of CPU)`;
  } finally {
    await buildah(['rm', container]);
  }
}

/**
 * Builds the image and writes it to `imageArchive`. Returns a note with its size and how long its start takes.
 * @param {import('./steps.mjs').Progress} progress
 */
export async function buildImage(progress) {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new SetupError(
      'Building the image needs Linux and root. Elsewhere: docker build, see deploy/image/README.md.',
    );
  const { base, builder } = await ensureBase(progress);
  const worker = workerPath();
  const revision = (await run('git', ['rev-parse', 'HEAD'])).output.trim();
  const args = {
    BASE: base,
    BUILDER: builder,
    VERSION: version,
    REVISION: revision,
    WORKER_SHA256: sha256(worker),
  };
  const dockerfile = join(root, 'deploy', 'image', 'Dockerfile');
  await buildah(
    [
      'bud',
      ...[
        '--pull-never',
        '--layers',
        '--network',
        'host',
        '--file',
        dockerfile,
        '--ignorefile',
        `${dockerfile}.dockerignore`,
      ],
      ...['--build-context', `worker=${dirname(worker)}`, '--tag', imageName],
      ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      ...secrets(),
      root,
    ],
    {
      log: 'image-build',
      onLine: (line) => {
        const at = /(?:\[\d+\/\d+\] )?STEP (\d+\/\d+)/.exec(line);
        if (at) progress(`step ${at[1]}`);
      },
    },
  );
  progress('archive');
  // Half an archive is never seen under its name; nor does an old one stay beside it.
  const beside = `${imageArchive}.${process.pid}`;
  rmSync(beside, { force: true });
  await buildah(['push', '--quiet', imageName, `docker-archive:${beside}:${imageName}`]);
  renameSync(beside, imageArchive);
  const size = (statSync(imageArchive).size / 2 ** 20).toFixed(0);
  progress('start time');
  return `${size} MiB, ${await startTime()}`;
}
