import { type ChildProcess, fork } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Answer, Call } from './protocol.ts';

type Calls<T> = { [K in keyof T]: (argument: never) => unknown };
type Argument<T, K extends keyof T> = T[K] extends (argument: infer A) => unknown ? A : never;
type Result<T, K extends keyof T> = T[K] extends (argument: never) => infer R ? Awaited<R> : never;

/** A process of the benchmark's own, and how to tell it what to do. */
export class Helper<T extends Calls<T>, Tick> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
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
      const waiting = this.#waiting.get(message.answer);
      this.#waiting.delete(message.answer);
      if ('error' in message) waiting?.reject(new Error(`${name}: ${message.error}`));
      else waiting?.resolve(message.result);
    });
    this.#exited = new Promise((resolve) =>
      this.#child.once('exit', (code, signal) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${name} ended (${code ?? signal})`));
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
      this.#waiting.set(call, { resolve: resolve as (result: unknown) => void, reject });
      this.#child.send({ call, name, argument } satisfies Call, (error) => error && reject(error));
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

/** In the child: answers calls, tells once a second how it goes, and ends with its parent. */
export function serve<T extends Calls<T>>(calls: T, tick: () => object): void {
  const say = (answer: Answer): void => void process.send?.(answer);
  process.on('message', ({ call, name, argument }: Call) => {
    Promise.resolve()
      .then(() => calls[name as keyof T](argument as never))
      .then(
        (result) => say({ answer: call, result }),
        (error: unknown) => say({ answer: call, error: error instanceof Error ? error.message : String(error) }),
      );
  });
  // Ctrl-C in a terminal reaches the whole group; the parent decides what follows.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit());
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  setInterval(() => {
    say({ tick: { ...tick(), loopDelayMs: delay.percentile(99) / 1e6 } });
    delay.reset();
  }, 1000);
}
