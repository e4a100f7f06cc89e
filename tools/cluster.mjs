// `npm run cluster`: Flotilla on a real Kubernetes. Commands and options: see deploy/cluster.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureHelm, helmPath, kubectlPath } from './setup/helm.mjs';
import { buildImage, imageArchive } from './setup/image.mjs';
import { ensureKubernetes, kubernetesProblem, kubernetesPrograms } from './setup/kubernetes.mjs';
import { runWithHelp } from './setup/help.mjs';
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { bold, root, SetupError, step } from './setup/steps.mjs';

const usage = readFileSync(join(root, 'deploy', 'cluster', 'usage.txt'), 'utf8');

const args = process.argv.slice(2);
const passesOn = ['kubectl', 'client'].includes(args[0] ?? '');

const run = async () => {
  const starts = args.length === 0 || ['up', 'install'].includes(args[0] ?? '') || args[0]?.startsWith('--');
  if (starts) {
    console.log(bold('Flotilla on Kubernetes'));
    await step('Helm', ensureHelm);
    if (args.includes('--context')) await prepare();
    else {
      const problem = kubernetesProblem();
      if (problem) throw new SetupError(`A cluster cannot run on this machine: ${problem}.`);
      await prepare({ system: ['redis', 'rabbitmq', 'openssl', 'buildah', 'mmdebstrap', 'containerd', 'procps'] });
      await step('Kubernetes programs', ensureKubernetes);
      await step('Image', buildImage);
    }
  } else await prepare();
  return runInForeground('deploy/cluster/dist/main.js', args, {
    CLUSTER_PROGRAMS: kubernetesPrograms(),
    FLOTILLA_IMAGE_ARCHIVE: imageArchive,
    HELM_BIN: helmPath(),
    ...(args.includes('--context') && { KUBECTL_BIN: kubectlPath() }),
  });
};

await runWithHelp(usage, run, !passesOn && args.includes('--help'));
