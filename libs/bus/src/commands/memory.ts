import {
  type CommandTransport,
  type MessageHandler,
  type QueueKind,
  type Serving,
  TransportError,
} from './transport.ts';

interface Server {
  readonly handler: MessageHandler;
  readonly underWay: Set<Promise<unknown>>;
}

/**
 * Commands within one process. Messages are text all the same, so that nothing works here that would not work over a
 * broker. There is nothing to lose: a message is handed over at once or refused.
 */
export class MemoryCommandTransport implements CommandTransport {
  readonly #queues = new Map<string, { kind: QueueKind; servers: Server[]; next: number }>();
  /** The newest messages that were given up, with the reason. */
  readonly deadLetters: { queue: string; message: string; reason: string }[] = [];

  async request(queue: string, message: string, { signal }: { signal: AbortSignal }): Promise<string> {
    const served = this.#queues.get(queue);
    const server = served?.servers[served.next++ % served.servers.length];
    if (!server) throw new TransportError('unroutable', `nobody serves ${queue}`);

    const work = server.handler(message);
    server.underWay.add(work);
    void work.finally(() => server.underWay.delete(work));
    const { answer, deadLetter } = await Promise.race([work, rejectWhenAborted(signal)]);
    if (deadLetter !== undefined) {
      this.deadLetters.push({ queue, message, reason: deadLetter });
      if (this.deadLetters.length > 1000) this.deadLetters.shift();
    }
    // No answer means that the handler dropped it; the caller's deadline ends the wait.
    return answer ?? rejectWhenAborted(signal);
  }

  async serve(queue: string, kind: QueueKind, handler: MessageHandler): Promise<Serving> {
    const served = this.#queues.get(queue) ?? { kind, servers: [], next: 0 };
    if (kind === 'own' && served.servers.length > 0) throw new Error(`${queue} is served already`);
    const server: Server = { handler, underWay: new Set() };
    served.servers.push(server);
    this.#queues.set(queue, served);
    return {
      close: async () => {
        served.servers.splice(served.servers.indexOf(server), 1);
        if (served.servers.length === 0) this.#queues.delete(queue);
        await Promise.allSettled(server.underWay);
      },
    };
  }

  problem(): string | undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#queues.clear();
  }
}

function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
