// `npm run bench:<name>` and `npm run load`: sets up what is missing and runs a benchmark of loadtest/.
import { inNetworkNamespace, namespaceProblem } from './setup/network-namespace.mjs';
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { runMain, SetupError } from './setup/steps.mjs';

/**
 * The programs of the operating system that each needs.
 * @type {Record<string, readonly import('./setup/system.mjs').SystemProgram[]>}
 */
const benchmarks = {
  migration: ['redis', 'rabbitmq', 'chromium'],
  join: ['redis', 'rabbitmq', 'chromium'],
  signaling: ['redis', 'rabbitmq', 'openssl'],
  metadata: ['redis', 'rabbitmq'],
  attacks: ['redis', 'rabbitmq'],
  audience: ['redis', 'rabbitmq'],
  'full-chain': ['redis', 'rabbitmq'],
  planner: [],
  bandwidth: [],
  framing: [],
  rtp: [],
  forwarding: [],
};

await runMain(async () => {
  const [name, ...args] = process.argv.slice(2);
  const system = name === undefined ? undefined : benchmarks[name];
  if (!system)
    throw new SetupError(`There is no benchmark "${name}". Choose one of ${Object.keys(benchmarks).join(', ')}.`);
  const help = args.includes('--help');
  const firefox = !help && args.some((arg) => /^(--browser=)?firefox$/.test(arg));
  const problem = firefox && namespaceProblem();
  if (problem) throw new SetupError(`${problem}.`);
  const isElsewhere = args.some((arg) => arg === '--api' || arg.startsWith('--api='));
  await prepare({ system: help || isElsewhere ? [] : firefox ? [...system, 'firefox', 'iproute2'] : system });
  return runInForeground(`loadtest/${name}/dist/main.js`, args, {}, firefox ? [inNetworkNamespace] : []);
});
