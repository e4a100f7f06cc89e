// `npm run setup`: the set-up of `npm start` and `npm test` alone.
import { prepare } from './setup/prepare.mjs';
import { bold, runMain } from './setup/steps.mjs';

await runMain(async () => {
  console.log(bold('Setting up Flotilla'));
  await prepare();
  console.log('Ready. Next: npm start');
});
