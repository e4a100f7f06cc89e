// `npm run plan`: what a fleet of some size needs, see docs/scale.md.
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { runMain } from './setup/steps.mjs';

await runMain(async () => {
  await prepare();
  return runInForeground('loadtest/planner/dist/capacity/main.js', process.argv.slice(2));
});
