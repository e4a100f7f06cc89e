// The steps of the set-up: each prints its title, its duration and, when it fails, cause and cure.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { handleStopRequests, isStopping, Stopped, stoppedExitCode, stopWithUs } from './stop.mjs';

/** The checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Kept outside the checkout: the mediasoup worker, logs of the set-up. */
export const cacheDir =
  process.env.FLOTILLA_CACHE_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'flotilla');

/** A failure whose message names cause and cure. It is printed without a stack. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
}

const tty = process.stdout.isTTY;
/** @param {number} code of ECMA-48's SGR */
const styled = (code) => (/** @type {string} */ text) => (tty ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = styled(1);
export const dim = styled(2);
export const red = styled(31);
export const green = styled(32);

/** @param {number} sinceMs of `performance.now()` */
export function seconds(sinceMs) {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

/** @typedef {(text: string) => void} Progress shows what a step is doing */

/** Interval at which a running step prints a line where its line cannot be rewritten, as in the log of a CI, in milliseconds. */
const stillMs = 60_000;

/**
 * Runs `work` and prints one line: `title … 1.2 s`, with `work`'s result behind it when that is a string.
 * @template T
 * @param {string} title
 * @param {(progress: Progress) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  const began = performance.now();
  process.stdout.write(tty ? `  ${title} …` : `  ${title} …\n`);
  let doing = '';
  const show = () => {
    if (isAsking) return;
    process.stdout.write(
      tty
        ? `\r\x1b[K  ${title} … ${dim(`${doing}  ${seconds(began)}`)}`
        : `    ${title}${doing && `: ${doing}`}, ${seconds(began)} so far\n`,
    );
  };
  const timer = setInterval(show, tty ? 1000 : stillMs);
  /** @type {Progress} */
  const progress = (text) => {
    doing = text;
    if (tty) show();
  };
  try {
    const result = await work(progress);
    const note = typeof result === 'string' ? ` (${result})` : '';
    process.stdout.write(`${tty ? '\r\x1b[K' : ''}  ${green('✓')} ${title}${note} ${dim(seconds(began))}\n`);
    return result;
  } catch (error) {
    process.stdout.write(`${tty ? '\r\x1b[K' : ''}  ${red('✗')} ${title} ${dim(seconds(began))}\n`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

let isAsking = false;

/**
 * Asks for consent on the terminal. True without asking where nobody could answer (no terminal), and with `--yes`.
 * @param {string} question
 */
export async function confirmed(question) {
  if (!process.stdin.isTTY || !tty || process.argv.includes('--yes')) return true;
  isAsking = true;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    process.stdout.write('\r\x1b[K');
    const closed = new Promise((resolve) => terminal.once('close', () => resolve('n')));
    const answer = await Promise.race([terminal.question(`  ${question} [Y/n] `), closed]);
    return /^(y|yes|)$/i.test(String(answer).trim());
  } finally {
    terminal.close();
    isAsking = false;
  }
}

/**
 * Runs a command to its end. `output` is the last 64 KiB that it wrote; `log` keeps all of it in `cacheDir/logs/<log>.log`,
 * `show` prints it, `onLine` gets each line. Throws `Stopped` after a request to stop.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, log?: string, show?: boolean, onLine?: (line: string) => void }} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function run(command, args, { cwd = root, env = process.env, log, show = false, onLine } = {}) {
  /** @type {import('node:fs').WriteStream | undefined} */
  let file;
  if (log) {
    mkdirSync(join(cacheDir, 'logs'), { recursive: true });
    file = createWriteStream(join(cacheDir, 'logs', `${log}.log`));
  }
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    stopWithUs(child);
    let output = '';
    let line = '';
    const take = (/** @type {string} */ chunk) => {
      file?.write(chunk);
      if (show) process.stdout.write(chunk);
      output = (output + chunk).slice(-65_536);
      if (!onLine) return;
      const lines = (line + chunk).split(/[\r\n]+/);
      line = lines.pop() ?? '';
      for (const text of lines) onLine(text);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (/** @type {NodeJS.ErrnoException} */ error) =>
      reject(
        error.code === 'ENOENT' ? new SetupError(`${command} is not installed. Install it and start again.`) : error,
      ),
    );
    child.on('close', (code, signal) => {
      file?.end();
      if (isStopping()) reject(new Stopped());
      else resolve({ code: code ?? 128 + constants.signals[signal ?? 'SIGTERM'], output });
    });
  });
}

/** @param {string} log */
export const logPath = (log) => join(cacheDir, 'logs', `${log}.log`);

/**
 * Runs `main`, whose result is the exit code. Prints a `SetupError` as one paragraph. A request to stop ends what `main` runs.
 * @param {() => Promise<number | void>} main
 */
export async function runMain(main) {
  handleStopRequests();
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (error instanceof Stopped) {
      process.exitCode = stoppedExitCode();
      return;
    }
    console.error(
      `\n${red('Stopped:')} ${error instanceof SetupError ? error.message : error instanceof Error ? error.stack : error}`,
    );
    process.exitCode = 1;
  }
}
