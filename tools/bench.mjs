// `npm run bench:<name>`: sets up what is missing and runs a benchmark of loadtest/.
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { runMain, SetupError } from './setup/steps.mjs';

/** What each needs of the operating system. */
const benchmarks = {
  migration: ['redis', 'rabbitmq', 'chromium'],
  join: ['redis', 'rabbitmq', 'chromium'],
  signaling: ['redis', 'rabbitmq', 'openssl'],
  metadata: ['redis', 'rabbitmq'],
  planner: [],
  framing: [],
  forwarding: [],
};

await runMain(async () => {
  const [name, ...args] = process.argv.slice(2);
  if (!Object.hasOwn(benchmarks, name))
    throw new SetupError(`There is no benchmark "${name}". There is: ${Object.keys(benchmarks).join(', ')}.`);
  await prepare({ system: args.includes('--help') ? [] : benchmarks[name] });
  return runInForeground(`loadtest/${name}/dist/main.js`, args);
});
