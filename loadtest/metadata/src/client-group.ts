import { type ChildProcess, fork } from 'node:child_process';
import type { MetadataSession } from '@flotilla/contracts';
import type { Command, Target, Message } from './protocol.ts';

const deadlineMs = 60_000;

/** A client process, controlled by commands. */
class ClientProcess {
  readonly #child: ChildProcess;
  readonly #pending: ((message: Message) => void)[] = [];

  constructor(private readonly bare: Bare | undefined) {
    this.#child = fork(new URL('./client-process.js', import.meta.url), { execArgv: [] });
    this.#child.on('message', (message: Message) => {
      if (message.type === 'connect')
        void this.bare!.open(message).then((session) =>
          this.#child.send({ type: 'transport', id: message.id, session } satisfies Command),
        );
      else this.#pending.shift()?.(message);
    });
  }

  async run(command: Command): Promise<Message> {
    const message = await new Promise<Message>((resolve, reject) => {
      this.#pending.push(resolve);
      const timedOut = new Error(`client process did not answer '${command.type}' within ${deadlineMs} ms`);
      setTimeout(() => reject(timedOut), deadlineMs).unref();
      this.#child.send(command);
    });
    if (message.type === 'failed') throw new Error(message.reason);
    return message;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The bare mediasoup server, in a child process. */
export class Bare {
  readonly #child = fork(new URL('./bare-server.js', import.meta.url), { execArgv: [] });
  readonly #pending = new Map<number, (session: MetadataSession) => void>();
  #lastId = 0;

  async start(): Promise<this> {
    await new Promise((resolve) => this.#child.once('message', resolve));
    this.#child.on('message', ({ id, session }: { id: number; session: MetadataSession }) =>
      this.#pending.get(id)?.(session),
    );
    return this;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  open({ role, room, dtlsParameters }: Extract<Message, { type: 'connect' }>): Promise<MetadataSession> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      this.#child.send({ id, role, room, dtlsParameters });
    });
  }

  stop(): void {
    this.#child.disconnect();
  }
}

export interface Turn {
  readonly sent: number;
  readonly received: number;
  readonly latencies: number[];
}

/** Rooms of one publisher and many subscribers: the publishers in one client process, the subscribers in others. */
export class ClientGroup {
  readonly #publisher: ClientProcess;
  readonly #subscribers: ClientProcess[];
  #rooms = 0;

  constructor(processes: number, bare?: Bare) {
    this.#publisher = new ClientProcess(bare);
    this.#subscribers = Array.from({ length: processes }, () => new ClientProcess(bare));
  }

  /** Connects the clients of a room: the first token is the publisher's. */
  async connect(publishTo: Target, subscribeTo: Target, tokens: readonly string[]): Promise<void> {
    const [first, ...rest] = tokens;
    await this.#publisher.run({ type: 'connect', target: publishTo, role: 'publisher', tokens: [first!] });
    const share = Math.ceil(rest.length / this.#subscribers.length);
    // Rooms with fewer subscribers than there are processes take turns in using them.
    const processes = this.#subscribers.map((_, index, all) => all[(index + this.#rooms) % all.length]!);
    this.#rooms++;
    await Promise.all(
      processes.map((process, index) =>
        process.run({
          type: 'connect',
          target: subscribeTo,
          role: 'subscriber',
          tokens: rest.slice(index * share, (index + 1) * share),
        }),
      ),
    );
  }

  async turn(load: { perSecond: number; bytes: number; seconds: number }): Promise<Turn> {
    const sent = await this.#publisher.run({ type: 'send', ...load });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const results = await Promise.all(this.#subscribers.map((process) => process.run({ type: 'result' })));
    const turn = { sent: sent.type === 'sent' ? sent.count : 0, received: 0, latencies: [] as number[] };
    for (const result of results) {
      if (result.type !== 'result') continue;
      turn.received += result.received;
      for (const latency of result.latencies) turn.latencies.push(latency);
    }
    return turn;
  }

  stop(): void {
    for (const process of [this.#publisher, ...this.#subscribers]) process.stop();
  }
}
