// `npm run fleet`: the services as separate processes over real brokers. Options: see deploy/local-fleet.
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { bold, runMain } from './setup/steps.mjs';

await runMain(async () => {
  const args = process.argv.slice(2).filter((each) => each !== '--yes');
  console.log(bold('Flotilla as a fleet'));
  /** @type {import('./setup/system.mjs').SystemProgram[]} */
  const system = [];
  if (!process.env.REDIS_URL) system.push('redis');
  if (!process.env.AMQP_URL) system.push('rabbitmq');
  await prepare({ system });
  return runInForeground('deploy/local-fleet/dist/main.js', args);
});
