import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MediaSessionParameters } from '@flotilla/contracts';
import { LightLink, type RoomRequest } from '@flotilla/light-peer';
import { mediaWorkersOf, waitFor, notYet } from '@flotilla/testkit';
import type { Answer, Call } from './serve.ts';

export type SideName = 'stack' | 'bare';

const callTimeoutMs = 10_000;

/** CPU time of all threads of a process, in milliseconds, from the first field of schedstat (nanoseconds, Linux). */
function cpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const [ran = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return sum + Number(ran) / 1e6;
  }, 0);
}

export interface Cpu {
  readonly worker: number;
  readonly node: number;
}

/** A side in a child process, with one publisher and its subscribers. */
export class SideProcess {
  readonly #calls = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #worker = 0;
  #publisher!: LightLink;
  readonly #subscribers: LightLink[] = [];
  #received = 0;

  private constructor(
    readonly name: SideName,
    private readonly child: ChildProcess,
  ) {
    child.on('message', (answer: Answer) => this.#calls.get(answer.id)?.(answer));
  }

  /** @param bitsPerSecond bit rate of the video. */
  static async start(name: SideName, subscribers: number, bitsPerSecond: number): Promise<SideProcess> {
    const child = fork(fileURLToPath(new URL(`./${name}-side.js`, import.meta.url)));
    const side = new SideProcess(name, child);
    try {
      await side.#answer(0);
      [side.#worker = 0] = mediaWorkersOf(child.pid!);
      side.#publisher = await LightLink.open(await side.#open(0), side.#requests(0), () => undefined);
      for (const kind of ['audio', 'video'] as const) await side.#publisher.publish(kind, { video: { bitsPerSecond } });
      for (let index = 1; index <= subscribers; index++) {
        const link = await LightLink.open(await side.#open(index), side.#requests(index), () => side.#received++);
        side.#subscribers.push(link);
      }
      side.#publisher.pause();
      return side;
    } catch (error) {
      side.close();
      throw error;
    }
  }

  async #answer(id: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timer = setTimeout(
      () => reject(new Error(`side ${this.name} did not answer within ${callTimeoutMs} ms`)),
      callTimeoutMs,
    );
    this.#calls.set(id, resolve);
    try {
      const { value, error } = await promise;
      if (error !== undefined) throw new Error(`${this.name}: ${error}`);
      return value;
    } finally {
      clearTimeout(timer);
      this.#calls.delete(id);
    }
  }

  #call(
    call: Omit<Extract<Call, { open: number }>, 'id'> | Omit<Extract<Call, { request: object }>, 'id'>,
  ): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = this.#answer(id);
    this.child.send({ id, ...call });
    return answer;
  }

  #open(index: number): Promise<MediaSessionParameters> {
    return this.#call({ open: index }) as Promise<MediaSessionParameters>;
  }

  #requests(index: number): RoomRequest {
    return (type, payload) => this.#call({ request: { index, type, payload } }) as never;
  }

  /** CPU time in milliseconds of the mediasoup worker and of its parent process. */
  get cpu(): Cpu {
    return { worker: cpuMs(this.#worker), node: cpuMs(this.child.pid!) };
  }

  /** RTP packets sent by the publisher, and received by all subscribers together. */
  get packets(): { sent: number; received: number } {
    return { sent: this.#publisher.packetsSent, received: this.#received };
  }

  get subscribers(): number {
    return this.#subscribers.length;
  }

  /** Starts the media until `pause`. Resolves when a packet has been received. */
  async resume(): Promise<void> {
    this.#publisher.resume();
    await waitFor(`a packet at the subscribers of ${this.name}`, () => {
      if (this.#received === 0) notYet('there is none');
    });
  }

  pause(): void {
    this.#publisher.pause();
  }

  close(): void {
    this.#publisher?.close();
    for (const link of this.#subscribers) link.close();
    if (this.child.connected) this.child.disconnect();
  }
}
