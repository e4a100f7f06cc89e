// `npm run fleet`: the services as separate processes over real brokers. Options: see deploy/local-fleet.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runWithHelp } from './setup/help.mjs';
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { bold, root } from './setup/steps.mjs';

const usage = readFileSync(join(root, 'deploy', 'local-fleet', 'usage.txt'), 'utf8');

await runWithHelp(usage, async () => {
  const args = process.argv.slice(2).filter((each) => each !== '--yes');
  console.log(bold('Flotilla as a fleet'));
  /** @type {import('./setup/system.mjs').SystemProgram[]} */
  const system = [];
  if (!process.env.REDIS_URL) system.push('redis');
  if (!process.env.AMQP_URL) system.push('rabbitmq');
  await prepare({ system });
  return runInForeground('deploy/local-fleet/dist/main.js', args);
});
