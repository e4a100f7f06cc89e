// The programs of deploy/cluster: Kubernetes, etcd, CoreDNS and the metrics server, built from their Go modules. They are kept in
// the cache, named after the content of deploy/cluster/kubernetes.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { buildah } from './image.mjs';
import { cacheDir, logPath, root, run, SetupError } from './steps.mjs';
import { which } from './system.mjs';

const source = join(root, 'deploy', 'cluster', 'kubernetes');

/** Programs that the binary `kubernetes` becomes by its own name. */
const programs = [
  'etcd',
  'coredns',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
];

/** Why the programs cannot be had here, or undefined. */
export function kubernetesProblem() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'nodes need Linux and root';
  if (!existsSync('/sys/fs/cgroup/cpu/cgroup.procs')) return 'nodes need cgroup version 1';
  if (existsSync(join(kubernetesPrograms(), 'complete')) || which('go')) return undefined;
  return 'Go, which builds Kubernetes, is not installed';
}

/** What this machine lacks for the integration tests that need an API server of Kubernetes; undefined when they run. */
export function missingPrograms() {
  if (!existsSync(join(kubernetesPrograms(), 'complete'))) return '`npm run cluster` has not built Kubernetes here';
  return which('go') ? undefined : 'Go is not installed';
}

/** The directory of the programs of this checkout. */
export function kubernetesPrograms() {
  const hash = createHash('sha256');
  const files = readdirSync(source, { recursive: true })
    .map((name) => join(source, String(name)))
    .filter((path) => statSync(path).isFile())
    .toSorted();
  for (const path of files) hash.update(readFileSync(path));
  return join(cacheDir, 'kubernetes', hash.digest('hex').slice(0, 12));
}

/**
 * Builds the programs unless they are in the cache.
 * @param {import('./steps.mjs').Progress} progress
 */
export async function ensureKubernetes(progress) {
  const target = kubernetesPrograms();
  if (existsSync(join(target, 'complete'))) return 'cached';
  const problem = kubernetesProblem();
  if (problem) throw new SetupError(`A cluster cannot run on this machine: ${problem}.`);
  const beside = `${target}.${process.pid}`;
  mkdirSync(beside, { recursive: true });
  if (!process.stdout.isTTY) console.log('    Go compiles Kubernetes: 6 to 13 minutes on two cores, once');
  try {
    await compile(beside, progress);
    await packPause(beside);
    mkdirSync(join(beside, 'complete'));
    if (existsSync(target)) rmSync(target, { recursive: true });
    renameSync(beside, target);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  return 'built';
}

/**
 * @param {string} target
 * @param {import('./steps.mjs').Progress} progress
 */
async function compile(target, progress) {
  const version = /k8s\.io\/kubernetes v([\d.]+)/.exec(readFileSync(join(source, 'go.mod'), 'utf8'))?.[1] ?? '';
  const [major, minor] = version.split('.');
  const flags = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) =>
    [`gitVersion=v${version}`, `gitMajor=${major}`, `gitMinor=${minor}`, 'gitTreeState=clean'].map(
      (value) => `-X ${path}.${value}`,
    ),
  );
  /** @type {[what: string, directory: string, linkerFlags: string[], args: string[]][]} */
  const builds = [
    ['Kubernetes', '.', flags, [join(target, 'kubernetes'), '.']],
    ['forwarder and pause', '.', [], [`${target}/`, './forward', './pause']],
    [
      'metrics server',
      'metrics-server',
      [],
      [join(target, 'metrics-server'), 'sigs.k8s.io/metrics-server/cmd/metrics-server'],
    ],
  ];
  for (const [what, directory, linkerFlags, args] of builds) {
    let packages = 0;
    progress(what);
    const { code, output } = await run(
      'go',
      [
        'build',
        '-v',
        '-trimpath',
        '-buildvcs=false',
        '-ldflags',
        ['-s', '-w', ...linkerFlags].join(' '),
        '-o',
        ...args,
      ],
      {
        cwd: join(source, directory),
        env: { ...process.env, CGO_ENABLED: '0' },
        log: 'kubernetes-build',
        // With -v, Go names each module that it fetches and each package that it compiles.
        onLine: (line) =>
          progress(`${what}: ${line.startsWith('go: ') ? line.slice(4) : `${++packages} packages compiled`}`),
      },
    );
    if (code !== 0) {
      const offline = /dial tcp|no such host|i\/o timeout/.test(output);
      throw new SetupError(
        `Kubernetes did not build${offline ? ': the Go module proxy cannot be reached' : ''}. The output is in ${logPath('kubernetes-build')}.`,
      );
    }
  }
  for (const name of programs) symlinkSync('kubernetes', join(target, name));
}

/**
 * Packs the first process of every pod as an image.
 * @param {string} target
 */
async function packPause(target) {
  const container = await buildah(['from', 'scratch']);
  await buildah(['add', '--quiet', container, join(target, 'pause'), '/pause']);
  await buildah(['config', '--entrypoint', '["/pause"]', container]);
  const name = 'flotilla.local/pause:1';
  await buildah(['commit', '--quiet', '--rm', container, name]);
  await buildah(['push', '--quiet', name, `docker-archive:${join(target, 'pause.tar')}:${name}`]);
}
