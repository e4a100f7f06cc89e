// `npm run record`: records a join anew for docs/protocol.md, after the protocol changed.
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { runMain } from './setup/steps.mjs';

await runMain(async () => {
  await prepare({ system: [] });
  return runInForeground('deploy/e2e/dist/record.js', []);
});
