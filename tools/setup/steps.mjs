// Runs the steps of the set-up: says what it is doing, how long it took, and, when a step fails, the one line that helps.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { handleStopRequests, isStopping, Stopped, stoppedExitCode, stopWithUs } from './stop.mjs';

/** The checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What survives a fresh checkout: the mediasoup worker, logs of the set-up. */
export const cacheDir =
  process.env.FLOTILLA_CACHE_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'flotilla');

/** A failure whose message says the cause and the cure; printed without a stack. */
export class SetupError extends Error {
  name = 'SetupError';
}

const tty = process.stdout.isTTY;
export const bold = (text) => (tty ? `\x1b[1m${text}\x1b[0m` : text);
export const dim = (text) => (tty ? `\x1b[2m${text}\x1b[0m` : text);
export const red = (text) => (tty ? `\x1b[31m${text}\x1b[0m` : text);
export const green = (text) => (tty ? `\x1b[32m${text}\x1b[0m` : text);

export function seconds(sinceMs) {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

/** Runs `work` and prints one line: `title … 1.2 s`, with `work`'s result behind it when that is a string. */
export async function step(title, work) {
  const began = performance.now();
  process.stdout.write(tty ? `  ${title} …` : `  ${title} …\n`);
  const progress = (text) => tty && process.stdout.write(`\r\x1b[K  ${title} … ${dim(`${text}  ${seconds(began)}`)}`);
  try {
    const result = await work(progress);
    const note = typeof result === 'string' ? ` (${result})` : '';
    process.stdout.write(`${tty ? '\r\x1b[K' : ''}  ${green('✓')} ${title}${note} ${dim(seconds(began))}\n`);
    return result;
  } catch (error) {
    process.stdout.write(`${tty ? '\r\x1b[K' : ''}  ${red('✗')} ${title} ${dim(seconds(began))}\n`);
    throw error;
  }
}

/**
 * Runs a command to its end, its output in `cacheDir/logs/<log>.log` (and on the screen when `show`). Resolves to
 * {code, output}; `output` is the last 64 KiB. `onLine` sees each line as it comes.
 */
export function run(command, args, { cwd = root, env = process.env, log, show = false, onLine } = {}) {
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
    const take = (chunk) => {
      file?.write(chunk);
      if (show) process.stdout.write(chunk);
      output = (output + chunk).slice(-65_536);
      if (!onLine) return;
      const lines = (line + chunk).split(/[\r\n]+/);
      line = lines.pop();
      for (const text of lines) onLine(text);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) =>
      reject(error.code === 'ENOENT' ? new SetupError(`${command} is not installed.`) : error),
    );
    child.on('close', (code, signal) => {
      file?.end();
      if (isStopping()) reject(new Stopped());
      else resolve({ code: code ?? `signal ${signal}`, output });
    });
  });
}

export const logPath = (log) => join(cacheDir, 'logs', `${log}.log`);

/** Runs `main` and turns its failure into an exit code and, for a SetupError, a single clear paragraph. Ends all at a signal. */
export async function runMain(main) {
  handleStopRequests();
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (error instanceof Stopped) {
      process.exitCode = stoppedExitCode();
      return;
    }
    console.error(`\n${red('Stopped:')} ${error instanceof SetupError ? error.message : (error.stack ?? error)}`);
    process.exitCode = 1;
  }
}
