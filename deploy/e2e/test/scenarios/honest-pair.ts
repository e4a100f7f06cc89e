import type { Reply } from '@flotilla/contracts';
import { enter, notYet, type RawClient, type Topology, waitFor } from '@flotilla/testkit';

/** Timeout of a round trip, in milliseconds. */
const timeoutMs = 5_000;
/** Pause between two round trips, in milliseconds: well within the limit of messages per second. */
const pauseMs = 20;

/**
 * Two sessions that exchange messages during an abuse: one on the gateway that is abused, the other on another one if there is any.
 * Each round trip is a message from the first to the second and its answer.
 */
export class HonestPair {
  readonly roundTrips: number[] = [];
  #stopped = false;
  #chat: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #onMessage: ((text: unknown) => void) | undefined;

  private constructor(
    readonly room: string,
    private readonly ada: RawClient,
    private readonly bob: RawClient,
  ) {
    const onMessage = (client: RawClient, act: (data: unknown) => void): void => {
      client.socket.on('message', (bytes) => {
        const { type, payload } = JSON.parse((bytes as Buffer).toString()) as {
          type?: string;
          payload?: { data?: unknown };
        };
        if (type === 'message') act(payload?.data);
      });
    };
    onMessage(bob, (data) => {
      if (typeof data === 'string' && data.startsWith('ping'))
        bob.socket.send(this.#message(data, data.replace('ping', 'pong')));
    });
    onMessage(ada, (data) => this.#onMessage?.(data));
  }

  /** Runs the work while the pair exchanges messages, and reports its round trips. Throws when one was not answered. */
  static async beside(
    topology: Topology,
    report: (line: string) => void,
    work: (pair: HonestPair) => Promise<void>,
  ): Promise<void> {
    const room = await topology.api.newRoom('honest');
    const pair = new HonestPair(room, await enter(topology, room), await enter(topology, room, 1));
    pair.#chat = pair.#talk();
    // Thrown at the end: the work runs to its end.
    pair.#chat.catch((error: unknown) => (pair.#failure = error as Error));
    try {
      await work(pair);
    } finally {
      pair.#stopped = true;
    }
    await pair.#chat;
    report(`beside it ${pair.summary()}`);
    pair.ada.close();
    pair.bob.close();
  }

  /** Answers to an honest client as text, to be searched for what others sent. */
  async plainAnswers(): Promise<string> {
    const before = this.ada.replies.length;
    await this.ada.request('ping');
    await this.ada.request('mute', { publicationId: 'pub_none', muted: true }, `room:${this.room}`);
    return JSON.stringify(this.ada.replies.slice(before).filter(({ payload }) => payload?.['seq'] === undefined));
  }

  /** Waits until the pair has made a number of further round trips. Returns their summary. */
  async after(count: number): Promise<string> {
    const from = this.roundTrips.length;
    await waitFor(
      `${count} honest round trips`,
      async () => {
        if (this.#failure) throw this.#failure;
        if (this.roundTrips.length < from + count) notYet(`there were ${this.roundTrips.length - from}`);
      },
      { timeoutMs: 60_000 },
    );
    return this.summary(from);
  }

  /** Percentiles of the round trips from an index on; the 99th only of 100 or more. */
  summary(from = 0): string {
    const sorted = this.roundTrips.slice(from).toSorted((a, b) => a - b);
    const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN).toFixed(1);
    return [
      `${sorted.length} round trips, p50 ${at(0.5)} ms`,
      ...(sorted.length >= 100 ? [`p99 ${at(0.99)} ms`] : []),
      `longest ${at(1)} ms`,
    ].join(', ');
  }

  #message(id: string, data: string): string {
    return JSON.stringify({ id, type: 'message', to: `room:${this.room}`, payload: { data } });
  }

  async #talk(): Promise<void> {
    for (let turn = 0; !this.#stopped || turn === 0; turn++) {
      const began = performance.now();
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`an honest message was not answered within ${timeoutMs} ms`)),
          timeoutMs,
        );
        this.#onMessage = (text) => {
          if (text !== `pong ${turn}`) return;
          clearTimeout(timer);
          resolve();
        };
        this.ada.socket.send(this.#message(`ping ${turn}`, `ping ${turn}`));
      });
      this.roundTrips.push(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

/** The answer to a request that is repeated while its session is above its rate: large frames take much of it. */
export const withinRate = (request: () => Promise<Reply>): Promise<Reply> =>
  waitFor(
    'an answer but RATE_LIMITED',
    async () => {
      const reply = await request();
      return reply.error?.code === 'RATE_LIMITED' ? notYet('refused') : reply;
    },
    { everyMs: 200 },
  );
