// `--help` of the commands that pass their other options on, or have none. It needs no set-up.
import { runMain } from './steps.mjs';

/**
 * Runs `main`, or with `--help` prints the usage.
 * @param {string} usage
 * @param {() => Promise<number | void>} main
 * @param {boolean} [isAsked] whether `--help` is for this command, and not for a program that it starts
 */
export async function runWithHelp(usage, main, isAsked = process.argv.includes('--help')) {
  if (isAsked) console.log(usage);
  else await runMain(main);
}
