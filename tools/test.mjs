// `npm test`: sets up what is missing, then checks everything, and ends with one line: `tests: N passed, N failed`.
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { prepare } from './setup/prepare.mjs';
import { childEnv, node24 } from './setup/dependencies.mjs';
import { bold, root, runMain, SetupError } from './setup/steps.mjs';
import { workerPath } from './setup/worker.mjs';

const usage = `npm test -- [options]

Lint, types, unit, conformance, integration and browser tests, against private Redis, RabbitMQ and NTP servers.

  --fast      without the browser tests
  --help      this text

One project: npx nx test @flotilla/bus
`;

await runMain(async () => {
  let values;
  try {
    ({ values } = parseArgs({ options: { fast: { type: 'boolean', default: false }, help: { type: 'boolean' } } }));
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${usage}`);
  }
  if (values.help) {
    console.log(usage);
    return 0;
  }
  console.log(bold('Setting up'));
  await prepare({ system: ['redis', 'rabbitmq', 'chromium', 'chrony'] });
  return new Promise((resolve, reject) => {
    const args = ['tools/run-tests.mjs', ...(values.fast ? ['--fast'] : [])];
    const child = spawn(node24(), args, {
      cwd: root,
      stdio: 'inherit',
      env: childEnv({ MEDIASOUP_WORKER_BIN: workerPath() }),
    });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
});
