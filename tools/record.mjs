// `npm run record`: records the transcript of a join for docs/protocol.md, after a change of the protocol.
import { runWithHelp } from './setup/help.mjs';
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';

const usage = `npm run record

Records the transcript of a join in docs/protocol-transcript.json, after a change of the protocol. Then \`npm run generate\`.

  --help   this text
`;

await runWithHelp(usage, async () => {
  await prepare({ system: [] });
  return runInForeground('deploy/e2e/dist/record.js', []);
});
