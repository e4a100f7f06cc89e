import type { Event } from '@flotilla/contracts';
import { notYet, RawClient, type RestApi, waitFor } from '@flotilla/testkit';

/** A client that stays in its room: it resumes its session whenever its connection is moved or lost, and keeps what it receives. */
export class ResumingClient {
  client!: RawClient;
  #resumeToken = '';
  #offset = '0-0';
  #room = '';
  /** Numbers of the messages received, in order. */
  readonly received: number[] = [];
  /** Number of moves to another gateway that its gateway requested. */
  moves = 0;
  /** Close codes of the connections that it lost. */
  readonly lostWith: number[] = [];
  /** Why it could not resume. */
  resumeError: string | undefined;
  #leaving = false;
  /** The connection before a move. Its gateway closes it once the session is on the other. */
  #movingFrom: RawClient | undefined;

  constructor(
    private readonly nextUrl: () => string,
    readonly name: string,
  ) {}

  async join(api: RestApi, room: string, url: string): Promise<void> {
    const token = await api.issueToken(room);
    await this.#use(await RawClient.connect(url, { token }));
    const reply = await this.client.request('join', { room });
    if (!reply.ok) throw new Error(`${this.name} could not join: ${JSON.stringify(reply.error)}`);
    const { snapshot } = reply.payload as { snapshot: { room: { id: string }; offset: string } };
    this.#room = `room:${snapshot.room.id}`;
    if (this.#offset === '0-0') this.#offset = snapshot.offset;
  }

  async #use(client: RawClient): Promise<void> {
    this.client = client;
    const { resumeToken } = await client.welcome();
    this.#resumeToken = resumeToken;
    client.onEvent = (event) => this.#receive(client, event);
    for (const event of client.events) this.#receive(client, event);
    void client.closed.then(({ code }) => this.#onClosed(client, code));
  }

  #receive(client: RawClient, event: Event): void {
    if (client !== this.client && event.type === 'message') return;
    if (event.type === 'move') void this.#move(client);
    if (event.to !== this.#room || event.seq === undefined) return;
    this.#offset = event.seq;
    if (event.type === 'message') this.received.push(event.payload['data'] as number);
  }

  async #move(from: RawClient): Promise<void> {
    if (this.client !== from) return;
    this.moves++;
    this.#movingFrom = from;
    await this.#resume().catch(() => this.#reconnect());
  }

  async #resume(): Promise<void> {
    await this.#use(await RawClient.resume(this.nextUrl(), this.#resumeToken));
    await this.client.request('resume', { offsets: { [this.#room]: this.#offset } });
  }

  #onClosed(client: RawClient, code: number): void {
    if (client !== this.client || client === this.#movingFrom || this.#leaving) return;
    this.lostWith.push(code);
    this.#reconnect();
  }

  #reconnect(): void {
    waitFor(`${this.name} has resumed`, () => (this.#leaving ? undefined : this.#resume()), {
      everyMs: 100 + Math.random() * 200,
      timeoutMs: 30_000,
    }).catch((error: unknown) => (this.resumeError = String(error)));
  }

  /** Sends a numbered message. Returns whether it was acknowledged, the error code, and the time until the answer. */
  async send(number: number): Promise<{ ok: boolean; code?: string | undefined; ms: number }> {
    const began = performance.now();
    const reply = await this.client.request('message', { data: number }, this.#room);
    return { ok: reply.ok, code: reply.error?.code, ms: performance.now() - began };
  }

  leave(): void {
    this.#leaving = true;
    // Undefined when it could not connect.
    (this.client as RawClient | undefined)?.close();
  }
}

/** Waits until each member has received exactly these messages, each once, in any order. */
export async function allReceived(
  members: readonly ResumingClient[],
  numbers: readonly number[],
  timeoutMs = 30_000,
): Promise<void> {
  const expected = JSON.stringify(numbers.toSorted((a, b) => a - b));
  await waitFor(
    'every member has received every message once',
    () => {
      for (const { name, received, resumeError } of members) {
        if (resumeError !== undefined) notYet(`${name} could not resume: ${resumeError}`);
        const sorted = received.toSorted((a, b) => a - b);
        if (JSON.stringify(sorted) === expected) continue;
        const missing = numbers.filter((number) => !received.includes(number));
        const twice = sorted.filter((number, index) => sorted[index - 1] === number);
        const surplus = sorted.filter((number) => !numbers.includes(number));
        notYet(`${name} misses ${missing.join(' ')}, has twice ${twice.join(' ')}, was not sent ${surplus.join(' ')}`);
      }
    },
    { timeoutMs },
  );
}
