import { spawn } from 'node:child_process';

export interface CommandOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default 60,000. The command is killed then. */
  readonly timeoutMs?: number;
}

/** A command that ended with another exit code than 0. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/**
 * Runs a command and resolves to what it wrote to standard output.
 *
 * @throws CommandError with the end of what it wrote, if it fails or takes too long.
 */
export function command(name: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { input, env, timeoutMs = 60_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      env: { ...process.env, ...env },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr = (stderr + chunk).slice(-8192)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(stdout);
      const how = signal === 'SIGKILL' ? `took more than ${timeoutMs} ms` : `ended with ${code ?? signal}`;
      reject(new CommandError(`${name} ${args.join(' ')} ${how}: ${(stderr || stdout).trim().slice(-4096)}`));
    });
    // A command that ends before it has read its input is judged by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Runs a command and ignores its failure. For clean-up of what may not be there. */
export async function attempt(name: string, args: readonly string[]): Promise<void> {
  await command(name, args).catch(() => undefined);
}

/** Arguments that run a command in a network namespace. */
export const inNetwork = (
  path: string,
  name: string,
  args: readonly string[],
): readonly [string, readonly string[]] => ['nsenter', [`--net=${path}`, name, ...args]];
