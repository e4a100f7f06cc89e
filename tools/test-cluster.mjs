// `npm run test:cluster`: Flotilla on a real Kubernetes of three nodes, under calls in Chromium, with faults.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { childEnv, node24 } from './setup/dependencies.mjs';
import { ensureHelm, helmPath } from './setup/helm.mjs';
import { buildImage, imageArchive } from './setup/image.mjs';
import { ensureKubernetes, kubernetesProblem, kubernetesPrograms } from './setup/kubernetes.mjs';
import { prepare } from './setup/prepare.mjs';
import { ensureServersImage, serversArchive } from './setup/servers-image.mjs';
import { bold, root, runMain, SetupError, step } from './setup/steps.mjs';
import { stopWithUs } from './setup/stop.mjs';
import { workerPath } from './setup/worker.mjs';

const usage = `npm run test:cluster -- [options] [vitest arguments]

Starts a Kubernetes of three nodes, installs Flotilla and tests it under calls in Chromium: rollouts, a drain, deleted pods, a machine
without power or network, a stopped control plane. Prints the figures it saw. Linux and root; takes some 20 minutes.

  --keep           leave the cluster running afterwards
  --with-hpa       scaling by an HPA too, for comparison: two more minutes
  --short          installation, one rollout, lost machines and a killed node, without scaling, a stopped control plane, TURN and IPv6
  --help           this text
  other options    are vitest's: -t drain runs the tests with that word in their title
`;

/** Files of the tests that `--short` runs. */
const shortFiles = ['installation', 'machines', 'pods', 'rollouts', 'sfu-killed'].map(
  (name) => `test/${name}.cluster.test.ts`,
);

/** The suite is killed after this time, in milliseconds: a cluster that hangs must not hold up a CI. */
const suiteMs = 30 * 60_000;

/**
 * Runs a program in the foreground. Resolves to its exit code.
 * @param {string} command @param {readonly string[]} args
 * @param {{ cwd?: string, timeout?: number }} [options] the program is killed after `timeout` milliseconds
 * @returns {Promise<number>}
 */
function foreground(command, args, { cwd = root, timeout } = {}) {
  const env = childEnv({
    MEDIASOUP_WORKER_BIN: workerPath(),
    CLUSTER_PROGRAMS: kubernetesPrograms(),
    FLOTILLA_IMAGE_ARCHIVE: imageArchive,
    FLOTILLA_SERVERS_ARCHIVE: serversArchive,
    HELM_BIN: helmPath(),
  });
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, timeout, stdio: 'inherit' });
    stopWithUs(child);
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
  });
}

const cluster = (/** @type {readonly string[]} */ ...args) =>
  foreground(node24(), [join(root, 'deploy', 'cluster', 'dist', 'main.js'), ...args]);

await runMain(async () => {
  const all = process.argv.slice(2);
  const keep = all.includes('--keep');
  if (all.includes('--with-hpa')) process.env['CLUSTER_WITH_HPA'] = 'true';
  const short = all.includes('--short');
  if (short) process.env['CLUSTER_SHORT'] = 'true';
  const ownOptions = ['--', '--keep', '--with-hpa', '--short'];
  const vitestArgs = [...(short ? shortFiles : []), ...all.filter((arg) => !ownOptions.includes(arg))];
  if (all.includes('--help')) {
    console.log(usage);
    return 0;
  }
  const problem = kubernetesProblem();
  if (problem) throw new SetupError(`A cluster cannot run on this machine: ${problem}.`);
  console.log(bold('Setting up'));
  await prepare({
    system: ['redis', 'rabbitmq', 'openssl', 'chromium', 'buildah', 'mmdebstrap', 'containerd', 'procps'],
  });
  await step('Kubernetes programs', ensureKubernetes);
  await step('Helm', ensureHelm);
  await step('Image', buildImage);
  await step('Image of Redis, RabbitMQ and coturn', ensureServersImage);
  try {
    const started = await cluster('up', '--empty');
    if (started !== 0) return started;
    // Arguments that name a file of one project find none in the other.
    const options = ['--mode', 'cluster', '--passWithNoTests', ...vitestArgs];
    const vitest = [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...options];
    let code = 0;
    for (const folder of ['deploy/cluster', 'chaos']) {
      // The tests and their browsers run on the client's machine.
      const found = await foreground(
        node24(),
        [join(root, 'deploy', 'cluster', 'dist', 'main.js'), 'client', node24(), ...vitest],
        { cwd: join(root, folder), timeout: suiteMs },
      );
      code ||= found;
    }
    return code;
  } finally {
    if (!keep) await cluster('down');
  }
});
