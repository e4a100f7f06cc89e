// `npm run lint`: the static checks of `npm test`.
import { runWithHelp } from './setup/help.mjs';
import { prepare } from './setup/prepare.mjs';
import { childEnv, node24 } from './setup/dependencies.mjs';
import { root, run, step, SetupError } from './setup/steps.mjs';
import { join } from 'node:path';

const usage = `npm run lint

The static checks of \`npm test\`: generated documents, format, links, unused dependencies, types and lint rules of every project.

  --help   this text
`;

await runWithHelp(usage, async () => {
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
