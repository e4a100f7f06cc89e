import type { Event } from '@flotilla/contracts';
import { notYet, RawClient, type RestApi, waitFor } from '@flotilla/testkit';

/** Somebody of a crowd: stays in the room whatever happens to its connections, and writes down what it was told. */
export class Member {
  client!: RawClient;
  #resumeToken = '';
  #offset = '0-0';
  #room = '';
  /** Numbers of the messages it got, in order. */
  readonly got: number[] = [];
  /** How often its connection was exchanged, and for which close codes it broke. */
  moves = 0;
  readonly breaks: number[] = [];
  /** Why it could not come back. */
  lost: string | undefined;
  #leaving = false;
  /** Closed by its gateway once the session is elsewhere. */
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
    client.onEvent = (event) => this.#take(client, event);
    for (const event of client.events) this.#take(client, event);
    void client.closed.then(({ code }) => this.#onClosed(client, code));
  }

  #take(client: RawClient, event: Event): void {
    if (client !== this.client && event.type === 'message') return;
    if (event.type === 'move') void this.#move(client);
    if (event.to !== this.#room || event.seq === undefined) return;
    this.#offset = event.seq;
    if (event.type === 'message') this.got.push(event.payload['data'] as number);
  }

  async #move(from: RawClient): Promise<void> {
    if (this.client !== from) return;
    this.moves++;
    this.#movingFrom = from;
    await this.#resume().catch(() => this.#comeBack());
  }

  async #resume(): Promise<void> {
    await this.#use(await RawClient.resume(this.nextUrl(), this.#resumeToken));
    await this.client.request('resume', { offsets: { [this.#room]: this.#offset } });
  }

  #onClosed(client: RawClient, code: number): void {
    if (client !== this.client || client === this.#movingFrom || this.#leaving) return;
    this.breaks.push(code);
    this.#comeBack();
  }

  #comeBack(): void {
    waitFor(`${this.name} is back`, () => (this.#leaving ? undefined : this.#resume()), {
      everyMs: 100 + Math.random() * 200,
      timeoutMs: 30_000,
    }).catch((error: unknown) => (this.lost = String(error)));
  }

  /** Sends a numbered message. True when it was acknowledged. */
  async say(number: number): Promise<{ ok: boolean; code?: string | undefined; ms: number }> {
    const began = performance.now();
    const reply = await this.client.request('message', { data: number }, this.#room);
    return { ok: reply.ok, code: reply.error?.code, ms: performance.now() - began };
  }

  leave(): void {
    this.#leaving = true;
    this.client.close();
  }
}

/** Waits until each member got exactly these messages, each once. Order counts within what one sender said. */
export async function allGot(
  members: readonly Member[],
  numbers: readonly number[],
  timeoutMs = 30_000,
): Promise<void> {
  const wanted = JSON.stringify(numbers.toSorted((a, b) => a - b));
  await waitFor(
    'everybody got every message once',
    () => {
      for (const { name, got, lost } of members) {
        if (lost !== undefined) notYet(`${name} is lost: ${lost}`);
        const sorted = got.toSorted((a, b) => a - b);
        if (JSON.stringify(sorted) === wanted) continue;
        const missing = numbers.filter((number) => !got.includes(number));
        const twice = sorted.filter((number, index) => sorted[index - 1] === number);
        const surplus = sorted.filter((number) => !numbers.includes(number));
        notYet(`${name} misses ${missing.join(' ')}; had twice ${twice.join(' ')}; had too many ${surplus.join(' ')}`);
      }
    },
    { timeoutMs },
  );
}
