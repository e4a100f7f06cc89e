// All that must be there before anything of ours runs: packages, the media worker, the build. Each step is passed over in
// milliseconds when there is nothing to do.
import { build, isBuilt } from './build.mjs';
import { dependenciesInstalled, installDependencies } from './dependencies.mjs';
import { step } from './steps.mjs';
import { ensureSystem, isMissing } from './system.mjs';
import { ensureWorker } from './worker.mjs';

/** `system`: programs of the operating system that are needed besides. Returns whether anything had to be done. */
export async function prepare({ system = [] } = {}) {
  let worked = false;
  const missing = system.filter(isMissing);
  if (missing.length > 0) {
    worked = true;
    await step(`Installing ${missing.join(', ')}`, async (progress) => {
      await ensureSystem(missing, progress);
    });
  }
  if (!dependenciesInstalled()) {
    worked = true;
    await step('Installing packages', installDependencies);
  }
  await step('Media worker', ensureWorker);
  if (!isBuilt()) {
    worked = true;
    await step('Building', build);
  }
  return worked;
}
