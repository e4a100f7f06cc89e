// Runs our own program in the foreground: it gets the terminal's signals, and we end as it ends.
import { spawn } from 'node:child_process';
import { childEnv, node24 } from './dependencies.mjs';
import { root } from './steps.mjs';
import { workerPath } from './worker.mjs';

/** Resolves to the exit code. */
export function runInForeground(script, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(node24(), [script, ...args], {
      cwd: root,
      stdio: 'inherit',
      env: childEnv({ MEDIASOUP_WORKER_BIN: workerPath(), ...env }),
    });
    // A terminal sends Ctrl-C to both of us, `kill` to us alone: pass it on, a second one does no harm, and wait for the child.
    const passOn = (signal) => child.kill(signal);
    process.on('SIGINT', passOn);
    process.on('SIGTERM', passOn);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('SIGINT', passOn);
      process.off('SIGTERM', passOn);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
  });
}
