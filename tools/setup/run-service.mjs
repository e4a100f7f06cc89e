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
 * @param {readonly string[]} [wrapper] a program that runs the command given as its further arguments
 * @returns {Promise<number>}
 */
export function runInForeground(script, args, env = {}, wrapper = []) {
  return new Promise((resolve, reject) => {
    const [program, ...rest] = /** @type {[string, ...string[]]} */ ([...wrapper, node24(), script, ...args]);
    const child = spawn(program, rest, {
      cwd: root,
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: childEnv({ MEDIASOUP_WORKER_BIN: workerPath(), ...env }),
    });
    stopWithUs(child);
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
  });
}
