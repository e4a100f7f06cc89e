// Stops a command and all that it started: at SIGHUP, SIGINT or SIGTERM, and when npm, which runs the command, ends.
// The scripts of package.json begin with `exec`: a shell between npm and the command would keep signals to itself.
import { constants } from 'node:os';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

/** Interval at which the command checks whether npm still runs, in milliseconds. */
const checkMs = 250;

/** @type {Set<ChildProcess>} */
const children = new Set();
/** @type {NodeJS.Signals | undefined} */
let stopSignal;

/** The command was asked to stop before it was done. */
export class Stopped extends Error {
  /** @override */
  name = 'Stopped';
}

/** True after a request to stop: a child that ends then has not done its work. */
export const isStopping = () => stopSignal !== undefined;

/** The exit code of a command that was stopped, as a shell counts it. */
export function stoppedExitCode() {
  return 128 + constants.signals[stopSignal ?? 'SIGTERM'];
}

/**
 * Passes a request to stop on to a child process.
 * @param {ChildProcess} child
 */
export function stopWithUs(child) {
  children.add(child);
  child.once('close', () => children.delete(child));
  child.once('error', () => children.delete(child));
}

/**
 * Forwards every later request to stop to all child processes; without a child, it ends this process. The code that awaits
 * the children ends the command after them.
 */
export function handleStopRequests() {
  for (const signal of /** @type {const} */ (['SIGHUP', 'SIGINT', 'SIGTERM'])) process.on(signal, requestStop);
  // npm passes SIGINT and SIGTERM on, and ends at a SIGHUP without passing it on, which only its absence reveals.
  if (!process.env.npm_lifecycle_event) return;
  const npm = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(timer);
    requestStop('SIGTERM');
  }, checkMs);
  timer.unref();
}

/** @param {NodeJS.Signals} signal */
function requestStop(signal) {
  stopSignal ??= signal;
  if (children.size === 0) process.exit(stoppedExitCode());
  for (const child of children) child.kill(signal);
}
