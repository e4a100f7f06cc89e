// `npm test`: sets up what is missing, runs the checks and the tiers, and ends with one line: `tests: N passed, N failed`.
import { parseArgs } from 'node:util';
import { ensureHelm } from './setup/helm.mjs';
import { kubernetesProblem, missingPrograms } from './setup/kubernetes.mjs';
import { namespaceProblem } from './setup/network-namespace.mjs';
import { prepare } from './setup/prepare.mjs';
import { ensurePython } from './setup/python.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { bold, runMain, SetupError, step } from './setup/steps.mjs';

const usage = `npm test -- [options]

Lint, types, and the tests by tier, each as fast as what it starts: the name of a file says its tier.

  test          *.test.ts               needs Node alone
  integration   *.integration.test.ts   Redis, RabbitMQ, chronyd, coturn, nginx and media workers, Prometheus, all private; FFmpeg; Python tools
  e2e           *.e2e.test.ts           Chromium, GStreamer and whole topologies
  firefox       *.firefox.test.ts       Firefox and Chromium in the same calls, in a network namespace
  soak          *.soak.test.ts          killed processes, lost nodes and networks, drains of 50 participants
  nightly       *.nightly.test.ts       what takes minutes: outages of brokers, 100,000 connections, fuzz, silent clients
  cluster       *.cluster.test.ts       a Kubernetes of three nodes: npm run test:cluster

  --fast      test and integration only
  --all       firefox and soak too, and the short cluster tests where Kubernetes was built before, as .ci/run does
  --nightly   nightly too
  --cluster   all of cluster too, and builds Kubernetes
  --yes       install missing system packages without asking; without a terminal nothing is asked
  --help      this text

One tier of one project: npx nx integration @flotilla/bus
`;

await runMain(async () => {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        fast: { type: 'boolean' },
        all: { type: 'boolean' },
        nightly: { type: 'boolean' },
        cluster: { type: 'boolean' },
        yes: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new SetupError(`${/** @type {Error} */ (error).message}\n\n${usage}`);
  }
  if (values.help) {
    console.log(usage);
    return 0;
  }
  console.log(bold('Setting up'));
  const firefox = !values.all || namespaceProblem() ? [] : /** @type {const} */ (['firefox', 'iproute2']);
  const servers = /** @type {const} */ ([
    'redis',
    'rabbitmq',
    'chrony',
    'coturn',
    'ffmpeg',
    'prometheus',
    'alertmanager',
    'nginx',
  ]);
  const senders = values.fast ? [] : /** @type {const} */ (['gstreamer']);
  await prepare({ system: [...servers, 'chromium', 'python', ...senders, ...firefox] });
  await step('Python packages', ensurePython);
  await step('Helm', ensureHelm);
  const unbuilt = kubernetesProblem() ?? missingPrograms();
  const tiers = [
    'test',
    'integration',
    ...(values.fast ? [] : ['e2e']),
    ...(values.all ? ['firefox', 'soak'] : []),
    ...(values.nightly ? ['nightly'] : []),
    ...(values.cluster || (values.all && !unbuilt) ? ['cluster'] : []),
    ...(values.cluster ? [] : ['--short-cluster']),
  ];
  if (values.all && !values.cluster && unbuilt) console.log(`The tier cluster does not run: ${unbuilt}.`);
  return runInForeground('tools/run-tests.mjs', tiers);
});
