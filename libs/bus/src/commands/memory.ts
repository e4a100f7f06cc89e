import {
  type CommandTransport,
  type MessageHandler,
  type QueueKind,
  type RequestOptions,
  type Serving,
  TransportError,
} from './transport.ts';

interface Server {
  readonly handler: MessageHandler;
  readonly inFlight: Set<Promise<unknown>>;
}

/**
 * Commands within one process. Messages are serialised as over a broker, so that the same payloads work. Messages are never queued:
 * each is passed to a handler at once or rejected.
 */
export class MemoryCommandTransport implements CommandTransport {
  readonly #queues = new Map<string, { kind: QueueKind; servers: Server[]; next: number }>();
  /** The newest 1,000 dead letters, with their reason. */
  readonly deadLetters: { queue: string; message: string; reason: string }[] = [];

  async request(
    queue: string,
    message: string,
    { signal, headers = {} }: Pick<RequestOptions, 'signal' | 'headers'>,
  ): Promise<string> {
    const served = this.#queues.get(queue);
    const server = served?.servers[served.next++ % served.servers.length];
    if (!server) throw new TransportError('unroutable', `queue ${queue} has no consumer`);

    const work = server.handler(message, headers);
    server.inFlight.add(work);
    void work.finally(() => server.inFlight.delete(work));
    const { answer, deadLetter } = await Promise.race([work, rejectWhenAborted(signal)]);
    if (deadLetter !== undefined) {
      this.deadLetters.push({ queue, message, reason: deadLetter });
      if (this.deadLetters.length > 1000) this.deadLetters.shift();
    }
    // Without an answer the handler dropped the message, and the call ends at the caller's deadline.
    return answer ?? rejectWhenAborted(signal);
  }

  async serve(queue: string, kind: QueueKind, handler: MessageHandler): Promise<Serving> {
    const served = this.#queues.get(queue) ?? { kind, servers: [], next: 0 };
    if (kind === 'exclusive' && served.servers.length > 0) throw new Error(`queue ${queue} already has a consumer`);
    const server: Server = { handler, inFlight: new Set() };
    served.servers.push(server);
    this.#queues.set(queue, served);
    return {
      waiting: async () => 0,
      close: async () => {
        served.servers.splice(served.servers.indexOf(server), 1);
        if (served.servers.length === 0) this.#queues.delete(queue);
        await Promise.allSettled(server.inFlight);
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
