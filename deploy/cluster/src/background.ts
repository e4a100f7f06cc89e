// Programs that outlive this process: each has a file with its process id, one with its command line, and a log.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, closeSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { inCgroup, type ProgramKind } from './cgroups.ts';
import { stateDirectory, statePath } from './settings.ts';

const pidFile = (name: string): string => statePath('run', `${name}.pid`);
const commandFile = (name: string): string => statePath('run', `${name}.json`);
export const logFile = (name: string): string => statePath('log', `${name}.log`);

/** Marks the programs of the cluster, so that a process id that was given to another process is recognised. */
const mark = { FLOTILLA_CLUSTER: stateDirectory };

interface StoredCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: ProgramOptions;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Default: part of the control plane or of a node. */
  readonly kind?: ProgramKind;
}

/** Starts a program in a session of its own. `restartInBackground` starts it again as it was. */
export function startInBackground(
  name: string,
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): void {
  mkdirSync(statePath('run'), { recursive: true });
  mkdirSync(statePath('log'), { recursive: true });
  const log = openSync(logFile(name), 'a');
  const { env, kind = 'system' } = options;
  const child = spawn(...inCgroup(kind, command, args), {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env, ...mark },
  });
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
  if (child.pid === undefined) throw new Error(`${command} could not be started`);
  writeFileSync(pidFile(name), String(child.pid));
  writeFileSync(commandFile(name), JSON.stringify({ command, args, options } satisfies StoredCommand));
}

export function restartInBackground(name: string): void {
  const { command, args, options } = JSON.parse(readFileSync(commandFile(name), 'utf8')) as StoredCommand;
  startInBackground(name, command, args, options);
}

/** The process id of a program that runs and is still the one that was started. */
export function backgroundPid(name: string): number | undefined {
  if (!existsSync(pidFile(name))) return undefined;
  const pid = Number(readFileSync(pidFile(name), 'utf8'));
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return environment.includes(`FLOTILLA_CLUSTER=${stateDirectory}`) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Kills a program and its process group, as a crash does. Resolves when it has exited. */
export async function killInBackground(name: string): Promise<void> {
  const pid = backgroundPid(name);
  rmSync(pidFile(name), { force: true });
  if (pid === undefined) return;
  process.kill(-pid, 'SIGKILL');
  for (let waitedMs = 0; existsSync(`/proc/${pid}/cmdline`) && !isZombie(pid) && waitedMs < 10_000; waitedMs += 20)
    await setTimeout(20);
}

/** A child of this process that has ended and is not yet reaped still has its directory in /proc. */
function isZombie(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

/** The names of all programs that were started and not killed. */
export function backgroundNames(): string[] {
  if (!existsSync(statePath('run'))) return [];
  return readdirSync(statePath('run')).flatMap((file) => (file.endsWith('.pid') ? [file.slice(0, -4)] : []));
}
