import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Called with each line of output, with its colours. */
  readonly onLine?: (line: string) => void;
}

/** Children have process groups of their own, so a signal to this process's group does not reach them. */
const running = new Set<Child>();
process.on('exit', () => running.forEach((child) => child.killGroup()));

/** A child process in a process group of its own: stopping it also stops its descendants. */
export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  /** The last 500 lines of its output, without colours. */
  readonly lines: string[] = [];
  readonly exited: Promise<number | string>;
  #ended = false;
  readonly #watchers = new Set<(line: string) => void>();
  readonly #onLine: ((line: string) => void) | undefined;

  constructor(name: string, command: string, args: readonly string[], options: ChildOptions = {}) {
    this.name = name;
    this.#onLine = options.onLine;
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: options.env ?? process.env,
      cwd: options.cwd,
    });
    this.process = child;
    running.add(this);
    this.exited = new Promise((resolve) => {
      const end = (how: number | string): void => {
        this.#ended = true;
        running.delete(this);
        resolve(how);
      };
      child.on('error', (error) => {
        this.#take(String(error));
        end(error.message);
      });
      child.on('exit', (code, signal) => end(code ?? signal ?? 'unknown'));
    });
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => this.#take(line));
  }

  #take(written: string): void {
    this.#onLine?.(written);
    const line = stripVTControlCharacters(written);
    this.lines.push(line);
    if (this.lines.length > 500) this.lines.shift();
    for (const watch of this.#watchers) watch(line);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves to the first line that matches without its colours, including those already written. */
  async line(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    for (const line of this.lines) {
      const match = pattern.exec(line);
      if (match) return match;
    }
    let watch: ((line: string) => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const giveUp = (why: string): void =>
          reject(
            new Error(`${this.name} ${why} before writing ${pattern}. It wrote:\n${this.lines.slice(-30).join('\n')}`),
          );
        watch = (line) => {
          const match = pattern.exec(line);
          if (match) resolve(match);
        };
        this.#watchers.add(watch);
        timer = setTimeout(() => giveUp(`took more than ${timeoutMs} ms`), timeoutMs);
        void this.exited.then((code) => giveUp(`ended (${code})`));
      });
    } finally {
      clearTimeout(timer);
      if (watch) this.#watchers.delete(watch);
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#ended) this.process.kill(signal);
  }

  /** Sends the signal and kills the process group after `timeoutMs`. Resolves to the exit code or signal. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 10_000): Promise<number | string> {
    if (!this.#ended) {
      this.signal(signal);
      const timer = setTimeout(() => this.killGroup(), timeoutMs);
      await this.exited;
      clearTimeout(timer);
    }
    this.killGroup();
    return this.exited;
  }

  /** Kills the child and its descendants. */
  killGroup(): void {
    const { pid } = this.process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // No process of the group is left.
    }
  }
}
