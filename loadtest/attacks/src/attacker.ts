import { setTimeout as pause } from 'node:timers/promises';
import { type Grant, tokenSubprotocolPrefix } from '@flotilla/contracts';
import { notYet, RawClient, type RawOptions, RestApi, UpgradeRefused, waitFor } from '@flotilla/testkit';

/** What is attacked. */
export interface Target {
  readonly gatewayUrl: string;
  readonly registryUrl: string;
  readonly apiKey: string;
  /** Room of the honest pair. */
  readonly pairRoom: string;
  /** A user of the pair, at this gateway. */
  readonly pairUser: string;
}

/** An abuse of the fleet. */
export interface Attack {
  readonly name: string;
  readonly about: string;
  /**
   * Every answer that docs/limits.md, docs/errors.md or the protocol names for it: `ok`, an error code, `close <code>`, or
   * `HTTP <status>`, with an error code where the response has one.
   */
  readonly expected: readonly string[];
  /** Number of streams of Redis that it fills with messages. Default 0. */
  readonly streams?: number;
  /** Runs until the attacker's time is over. */
  run(attacker: Attacker): Promise<void>;
}

/** All attacks come from this address, the pair from 127.0.0.1. */
export const attackerAddress = '127.0.0.2';
export const closedUnanswered = 'closed without an answer';

/** Pause of a patient sender after a refusal: with 20 requests at a time, below the refusals that end a connection. */
const patienceMs = 500;
/** After a connection that was refused. */
const refusedPauseMs = 10;
/** Time for the last answers. */
const settleMs = 10_000;

/** What an attack works with: sessions from one address, and a count of the answers that they get. */
export class Attacker {
  readonly answers = new Map<string, number>();
  readonly api: RestApi;
  readonly #until: number;

  constructor(
    readonly target: Target,
    seconds: number,
  ) {
    this.api = new RestApi(target.registryUrl, target.apiKey);
    this.#until = performance.now() + seconds * 1000;
  }

  get remainingMs(): number {
    return Math.max(0, this.#until - performance.now());
  }

  get over(): boolean {
    return this.remainingMs === 0;
  }

  count(answer: string, times = 1): void {
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + times);
  }

  countError(error: unknown): void {
    this.count(answerOf(error));
  }

  /** Repeats rounds, several at once, until the time is over. A round that fails is counted by its error. */
  async repeat(parallel: number, round: (index: number) => Promise<void>): Promise<void> {
    await Promise.all(
      Array.from({ length: parallel }, async (_, index) => {
        while (!this.over)
          try {
            await round(index);
          } catch (error) {
            this.countError(error);
            await pause(refusedPauseMs);
          }
      }),
    );
  }

  /** Opens a connection. Its close code is counted, unless the attacker closes it. */
  async connect(options: RawOptions): Promise<RawClient> {
    const client = await RawClient.connect(this.target.gatewayUrl, { localAddress: attackerAddress, ...options });
    void client.closed.then(({ code }) => code === 1000 || this.count(`close ${code}`));
    return client;
  }

  /** Opens a session in a room. `media`: with transports, and a subscription to everything. */
  async enter(room: string, { media = false, grants }: { media?: boolean; grants?: Grant[] } = {}): Promise<RawClient> {
    const client = await this.connect({ token: await this.api.issueToken(room, grants && { grants }) });
    const { rtpCapabilities } = await client.welcome();
    const reply = await client.request('join', { room, ...(media && { rtpCapabilities }) });
    if (reply.ok) return client;
    client.close();
    throw new RequestRefused(reply.error!.code);
  }

  /**
   * Sends requests of a session, or texts as they are, some at a time, until the time is over or the connection ends, and counts the replies. A patient sender
   * pauses after each refusal for its rate, so that its connection is not closed for a flood.
   */
  async flood(
    client: RawClient,
    next: () => string | { type: string; payload?: unknown; to?: string; id?: string },
    { inFlight = 20, patient = true }: { inFlight?: number; patient?: boolean } = {},
  ): Promise<void> {
    let pending = 0;
    let lastId = 0;
    const send = (): void => {
      if (this.over || client.socket.readyState !== client.socket.OPEN) return;
      pending++;
      const request = next();
      client.socket.send(
        typeof request === 'string' ? request : JSON.stringify({ id: `f${++lastId}`, payload: {}, ...request }),
      );
    };
    client.socket.on('message', (data) => {
      // The client keeps them all.
      client.events.length = 0;
      client.replies.length = 0;
      const message = JSON.parse((data as Buffer).toString()) as { ok?: boolean; error?: { code: string } };
      if (message.ok === undefined) return;
      pending--;
      const answer = message.error?.code ?? 'ok';
      this.count(answer);
      if (patient && answer === 'RATE_LIMITED') setTimeout(send, patienceMs);
      else send();
    });
    for (let index = 0; index < inFlight; index++) send();
    await Promise.race([client.closed, pause(this.remainingMs)]);
    const isClosed = (): boolean => client.socket.readyState !== client.socket.OPEN;
    await waitFor('the last replies', () => pending === 0 || isClosed() || notYet(`${pending} are missing`), {
      timeoutMs: settleMs,
    }).catch(() => this.count('no answer', pending));
    client.close();
  }
}

/** A request of an attack that was refused. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
}

/** The answer that an error stands for. */
function answerOf(error: unknown): string {
  if (error instanceof UpgradeRefused) return `HTTP ${error.status} ${error.code ?? ''}`.trim();
  if (error instanceof RequestRefused) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNRESET' || code === 'EPIPE') return closedUnanswered;
  return `error: ${message.replaceAll('\n', ' ').slice(0, 120)}`;
}

/** Entry of the subprotocols with a token that nobody issued. */
export const forgedToken = `${tokenSubprotocolPrefix}forged.token.value`;
