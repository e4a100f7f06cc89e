import { once } from 'node:events';
import type { Child } from '@flotilla/processes';
import { WebSocket } from 'ws';

/** A CPU profile in the format of the DevTools protocol. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface FunctionShare {
  readonly name: string;
  /** Share of the non-idle time, between 0 and 1. */
  readonly share: number;
}

/** Takes CPU profiles of a Node.js process through its inspector, which SIGUSR1 starts. */
export class Profiler {
  #lastId = 0;

  private constructor(private readonly socket: WebSocket) {}

  static async attach(child: Child): Promise<Profiler> {
    child.signal('SIGUSR1');
    const [, url] = await child.line(/Debugger listening on (ws:\/\/\S+)/);
    const socket = new WebSocket(url!, { perMessageDeflate: false, maxPayload: 1024 ** 3 });
    await once(socket, 'open');
    const profiler = new Profiler(socket);
    await profiler.#send('Profiler.enable');
    await profiler.#send('Profiler.setSamplingInterval', { interval: 500 });
    return profiler;
  }

  async start(): Promise<void> {
    await this.#send('Profiler.start');
  }

  async stop(): Promise<CpuProfile> {
    return ((await this.#send('Profiler.stop')) as { profile: CpuProfile }).profile;
  }

  close(): void {
    this.socket.terminate();
  }

  async #send(method: string, params = {}): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = new Promise((resolve) => {
      const take = (raw: Buffer): void => {
        const message = JSON.parse(raw.toString()) as { id?: number; result?: unknown };
        if (message.id !== id) return;
        this.socket.off('message', take);
        resolve(message.result);
      };
      this.socket.on('message', take);
    });
    this.socket.send(JSON.stringify({ id, method, params }));
    return answer;
  }
}

/** The functions with the highest self time. */
export function busiest({ nodes, samples, timeDeltas }: CpuProfile, count: number): FunctionShare[] {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      url
        ? `${functionName || '(anonymous)'} ${url.replace(/^.*\/(node_modules|libs|services)\//, '')}:${lineNumber + 1}`
        : functionName,
    ]),
  );
  const spent = new Map<string, number>();
  let total = 0;
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '';
    if (name === '(idle)') continue;
    const time = timeDeltas[index] ?? 0;
    total += time;
    spent.set(name, (spent.get(name) ?? 0) + time);
  }
  return [...spent]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, time]) => ({ name, share: time / total }));
}
