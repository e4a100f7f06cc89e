// `npm run chaos`: experiments of chaos/experiments under live calls. Options: see chaos.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { node24 } from './setup/dependencies.mjs';
import { ensureHelm, kubectlPath } from './setup/helm.mjs';
import { runWithHelp } from './setup/help.mjs';
import { kubernetesPrograms } from './setup/kubernetes.mjs';
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { root, SetupError, step } from './setup/steps.mjs';

const usage = readFileSync(join(root, 'chaos', 'usage.txt'), 'utf8');
const program = 'chaos/dist/main.js';

await runWithHelp(usage, async () => {
  const args = process.argv.slice(2);
  const has = (/** @type {string} */ option) => args.some((arg) => arg === option || arg.startsWith(`${option}=`));
  if (args.length === 0) throw new SetupError(`Name an experiment, or list.\n\n${usage}`);
  const onFleet = args[0] !== 'list' && !has('--cluster') && !has('--context');
  /** @type {import('./setup/system.mjs').SystemProgram[]} */
  const system = onFleet ? ['redis', 'rabbitmq'] : [];
  if (has('--browser')) system.push('chromium');
  await prepare({ system });
  if (has('--context')) {
    await step('kubectl', ensureHelm);
    return runInForeground(program, args, { KUBECTL_BIN: kubectlPath() });
  }
  if (!has('--cluster')) return runInForeground(program, args);
  // The participants run on the client's machine, which has a route to the nodes.
  return runInForeground('deploy/cluster/dist/main.js', ['client', node24(), join(root, program), ...args], {
    CLUSTER_PROGRAMS: kubernetesPrograms(),
  });
});
