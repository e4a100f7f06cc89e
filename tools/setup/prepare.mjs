// Prepares the checkout: packages, the media worker, the build. A step that has nothing to do takes milliseconds.
import { build, isBuilt } from './build.mjs';
import { dependenciesInstalled, installDependencies } from './dependencies.mjs';
import { step } from './steps.mjs';
import { ensureSystem, isMissing } from './system.mjs';
import { ensureWorker } from './worker.mjs';

/**
 * `system`: programs of the operating system that are needed too.
 * @param {{ system?: readonly import('./system.mjs').SystemProgram[] }} [options]
 */
export async function prepare({ system = [] } = {}) {
  const missing = system.filter(isMissing);
  if (missing.length > 0) {
    await step(`Installing ${missing.join(', ')}`, async (progress) => {
      await ensureSystem(missing, progress);
    });
  }
  if (!dependenciesInstalled()) {
    await step('Installing packages', installDependencies);
  }
  await step('Media worker', ensureWorker);
  if (!isBuilt()) {
    await step('Building', build);
  }
}
