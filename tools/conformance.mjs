// `npm run conformance -- COMMAND`: checks a client against a server of two SFU nodes. See docs/migration.md.
import { runWithHelp } from './setup/help.mjs';
import { ensurePython } from './setup/python.mjs';
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { SetupError, step } from './setup/steps.mjs';

const usage = `npm run conformance -- COMMAND

Checks a client against a server of two SFU nodes. COMMAND starts the client; \`bot\` is the Python bot. See docs/migration.md.

  --help   this text
`;

const command = process.argv.slice(2);

const run = async () => {
  if (command.length === 0)
    throw new SetupError(
      'Name the command of the client: npm run conformance -- COMMAND, or `bot` for the Python bot.',
    );
  const usesBot = command.length === 1 && command[0] === 'bot';
  await prepare(usesBot ? { system: ['python'] } : {});
  if (usesBot) {
    await step('Python packages', ensurePython);
    const { pythonPath } = await import('./setup/python.mjs');
    command.splice(0, 1, pythonPath('bot'), 'examples/python-bot/bot.py');
  }
  return runInForeground('deploy/e2e/dist/check-client.js', command);
};

await runWithHelp(usage, run, command[0] === '--help');
