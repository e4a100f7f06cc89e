// `npm run setup`: what `npm start` and `npm test` would do before they begin, and nothing else.
import { prepare } from './setup/prepare.mjs';
import { bold, runMain } from './setup/steps.mjs';

await runMain(async () => {
  console.log(bold('Setting up Flotilla'));
  await prepare();
  console.log('Ready. Next: npm start');
});
