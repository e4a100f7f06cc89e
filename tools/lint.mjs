// `npm run lint`: the static checks of `npm test`.
import { prepare } from './setup/prepare.mjs';
import { childEnv, node24 } from './setup/dependencies.mjs';
import { root, run, runMain, step, SetupError } from './setup/steps.mjs';
import { join } from 'node:path';

await runMain(async () => {
  await prepare();
  const { workspaceChecks } = await import('./workspace-checks.mjs');
  for (const { name, check } of workspaceChecks) {
    await step(name, async () => {
      const problem = await check();
      if (problem) throw new SetupError(problem);
    });
  }
  const { code } = await run(
    node24(),
    [join(root, 'node_modules', 'nx', 'dist', 'bin', 'nx.js'), 'run-many', '-t', 'lint', '--outputStyle=static'],
    { env: childEnv(), show: true },
  );
  return code;
});
