import { type ChildProcess, fork } from 'node:child_process';
import type { MetadataSession } from '@flotilla/contracts';
import type { Order, Target, Word } from './protocol.ts';

const deadlineMs = 60_000;

/** A forked process that is told what to do and answers. */
class Member {
  readonly #child: ChildProcess;
  readonly #waiting: ((word: Word) => void)[] = [];

  constructor(private readonly bare: Bare | undefined) {
    this.#child = fork(new URL('./client-process.js', import.meta.url), { execArgv: [] });
    this.#child.on('message', (word: Word) => {
      if (word.say === 'connect')
        void this.bare!.open(word).then((session) => this.#tell({ do: 'transport', id: word.id, session }));
      else this.#waiting.shift()?.(word);
    });
  }

  #tell(order: Order): void {
    this.#child.send(order);
  }

  async do(order: Order): Promise<Word> {
    const word = await new Promise<Word>((resolve, reject) => {
      this.#waiting.push(resolve);
      setTimeout(() => reject(new Error(`a client did not ${order.do}`)), deadlineMs).unref();
      this.#tell(order);
    });
    if (word.say === 'failed') throw new Error(word.why);
    return word;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** mediasoup alone, in a process of its own. */
export class Bare {
  readonly #child = fork(new URL('./bare-server.js', import.meta.url), { execArgv: [] });
  readonly #waiting = new Map<number, (session: MetadataSession) => void>();
  #lastId = 0;

  async start(): Promise<this> {
    await new Promise((resolve) => this.#child.once('message', resolve));
    this.#child.on('message', ({ id, session }: { id: number; session: MetadataSession }) =>
      this.#waiting.get(id)?.(session),
    );
    return this;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  open({ role, dtlsParameters }: Extract<Word, { say: 'connect' }>): Promise<MetadataSession> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, role, dtlsParameters });
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

/** One publisher and many subscribers, in processes of their own. */
export class Crew {
  readonly #publisher: Member;
  readonly #subscribers: Member[];

  constructor(processes: number, bare?: Bare) {
    this.#publisher = new Member(bare);
    this.#subscribers = Array.from({ length: processes }, () => new Member(bare));
  }

  async connect(publishTo: Target, subscribeTo: Target, tokens: readonly string[]): Promise<void> {
    const [first, ...rest] = tokens;
    await this.#publisher.do({ do: 'connect', target: publishTo, role: 'publisher', tokens: [first!] });
    const share = Math.ceil(rest.length / this.#subscribers.length);
    await Promise.all(
      this.#subscribers.map((member, index) =>
        member.do({
          do: 'connect',
          target: subscribeTo,
          role: 'subscriber',
          tokens: rest.slice(index * share, (index + 1) * share),
        }),
      ),
    );
  }

  async turn(load: { perSecond: number; bytes: number; seconds: number }): Promise<Turn> {
    const sent = await this.#publisher.do({ do: 'send', ...load });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const results = await Promise.all(this.#subscribers.map((member) => member.do({ do: 'result' })));
    const turn = { sent: sent.say === 'sent' ? sent.count : 0, received: 0, latencies: [] as number[] };
    for (const result of results) {
      if (result.say !== 'result') continue;
      turn.received += result.received;
      for (const latency of result.latencies) turn.latencies.push(latency);
    }
    return turn;
  }

  stop(): void {
    for (const member of [this.#publisher, ...this.#subscribers]) member.stop();
  }
}
