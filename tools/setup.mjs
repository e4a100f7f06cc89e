// `npm run setup`: the set-up of `npm start` and `npm test` alone.
import { runWithHelp } from './setup/help.mjs';
import { prepare } from './setup/prepare.mjs';
import { bold } from './setup/steps.mjs';

const usage = `npm run setup

Installs the packages, fetches or builds the media worker, and builds the workspace, as \`npm start\` and \`npm test\` do before they start.

  --yes    installs programs of the operating system without asking
  --help   this text
`;

await runWithHelp(usage, async () => {
  console.log(bold('Setting up Flotilla'));
  await prepare();
  console.log('Ready. Next: npm start');
});
