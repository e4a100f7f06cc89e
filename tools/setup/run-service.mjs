// Runs a program of the workspace in the foreground.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { childEnv, node24 } from './dependencies.mjs';
import { root } from './steps.mjs';
import { stopWithUs } from './stop.mjs';
import { workerPath } from './worker.mjs';

/**
 * Resolves to the exit code. The program stops on its own when its IPC channel closes: this process has ended then.
 * @param {string} script relative to the checkout
 * @param {readonly string[]} args
 * @param {Record<string, string>} [env] on top of this process's
 * @returns {Promise<number>}
 */
export function runInForeground(script, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(node24(), [script, ...args], {
      cwd: root,
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: childEnv({ MEDIASOUP_WORKER_BIN: workerPath(), ...env }),
    });
    stopWithUs(child);
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
  });
}
