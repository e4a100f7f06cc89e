import { type ChildProcess, fork } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Answer, Call } from './protocol.ts';

type Calls<T> = { [K in keyof T]: (argument: never) => unknown };
type Argument<T, K extends keyof T> = T[K] extends (argument: infer A) => unknown ? A : never;
type Result<T, K extends keyof T> = T[K] extends (argument: never) => infer R ? Awaited<R> : never;

/** A child process of the benchmark, with remote calls over its IPC channel. */
export class RpcChild<T extends Calls<T>, Tick> {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  readonly #exited: Promise<void>;
  #lastCall = 0;

  constructor(
    readonly name: string,
    script: string,
    onTick: (tick: Tick) => void,
    nodeFlags: readonly string[] = [],
  ) {
    this.#child = fork(new URL(script, import.meta.url), { execArgv: [...nodeFlags] });
    this.#child.on('message', (message: Answer) => {
      if ('tick' in message) return onTick(message.tick as Tick);
      const pending = this.#pending.get(message.answer);
      this.#pending.delete(message.answer);
      if ('error' in message) pending?.reject(new Error(`${name}: ${message.error}`));
      else pending?.resolve(message.result);
    });
    this.#exited = new Promise((resolve) =>
      this.#child.once('exit', (code, signal) => {
        for (const { reject } of this.#pending.values()) reject(new Error(`${name} ended (${code ?? signal})`));
        resolve();
      }),
    );
  }

  get pid(): number {
    return this.#child.pid!;
  }

  call<K extends keyof T & string>(name: K, argument: Argument<T, K>): Promise<Result<T, K>> {
    const call = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      this.#pending.set(call, { resolve: resolve as (result: unknown) => void, reject });
      this.#child.send({ call, name, argument } satisfies Call, (error) => error && reject(error));
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

/** In the child: serves calls, reports once per second, and exits with its parent. */
export function serve<T extends Calls<T>>(calls: T, tick: () => object): void {
  const post = (answer: Answer): void => void process.send?.(answer);
  process.on('message', ({ call, name, argument }: Call) => {
    Promise.resolve()
      .then(() => calls[name as keyof T](argument as never))
      .then(
        (result) => post({ answer: call, result }),
        (error: unknown) => post({ answer: call, error: error instanceof Error ? error.message : String(error) }),
      );
  });
  // Ctrl-C in a terminal signals the whole process group; the parent ends its children.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit());
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  setInterval(() => {
    post({ tick: { ...tick(), loopDelayMs: delay.percentile(99) / 1e6 } });
    delay.reset();
  }, 1000);
}
