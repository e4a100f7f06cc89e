// `npm run record`: records the transcript of a join for docs/protocol.md, after a change of the protocol.
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { runMain } from './setup/steps.mjs';

await runMain(async () => {
  await prepare({ system: [] });
  return runInForeground('deploy/e2e/dist/record.js', []);
});
