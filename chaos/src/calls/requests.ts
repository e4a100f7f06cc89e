import { setTimeout as pause } from 'node:timers/promises';
import { RawClient, type RestApi, uniqueName } from '@flotilla/testkit';
import type { ClientUrls } from './live-calls.ts';

export const requestKinds = ['rest', 'entry', 'join'] as const;
export type RequestKind = (typeof requestKinds)[number];

/** A request of somebody who is not in a call. */
export interface Request {
  readonly kind: RequestKind;
  /** When it was sent, ms since the begin of the run. */
  readonly atMs: number;
  readonly ms: number;
  readonly error?: string;
}

/** Interval between two requests of a kind, and when one counts as failed, ms. */
const everyMs = 1000;
const timeoutMs = 10_000;
/** Join tokens in stock: the registry, which issues them, may not answer during an experiment. */
const stock = 5;

/** Requests, one of each kind a second: the REST API, a token from the console, and a join with media. */
export class Requests {
  readonly done: Request[] = [];
  readonly #stopped = new AbortController();
  readonly #loops: Promise<void>[];
  readonly #tokens: string[] = [];
  readonly #rooms: { readonly join: string; readonly entry: string };
  #joins = 0;
  #refilling = false;

  private constructor(
    private readonly urls: ClientUrls,
    private readonly now: () => number,
    room: string,
  ) {
    this.#rooms = { join: room, entry: `${room}-entry` };
    const work: Readonly<Record<RequestKind, () => Promise<void>>> = {
      rest: () => this.#rest(),
      entry: () => this.#entry(),
      join: () => this.#join(),
    };
    this.#loops = requestKinds.map((kind) => this.#loop(kind, work[kind]));
  }

  /** @param now ms since the begin of the run. */
  static async start(urls: ClientUrls, now: () => number): Promise<Requests> {
    const room = uniqueName('chaos-requests');
    await urls.api.createRoom({ name: room });
    return new Requests(urls, now, room);
  }

  async #loop(kind: RequestKind, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const atMs = this.now();
      const began = performance.now();
      const problem = await withTimeout(work()).then(
        () => undefined,
        (error: unknown) => (error instanceof NotSent ? error : error instanceof Error ? error.message : String(error)),
      );
      const ms = performance.now() - began;
      if (!(problem instanceof NotSent))
        this.done.push({ kind, atMs, ms, ...(problem !== undefined && { error: problem }) });
      await pause(Math.max(0, everyMs - ms), undefined, { signal }).catch(() => undefined);
    }
  }

  async #rest(): Promise<void> {
    const { status } = await this.urls.api.request('GET', '/v1/nodes');
    if (status >= 500) throw new Error(`status ${status}`);
  }

  async #entry(): Promise<void> {
    const response = await fetch(new URL('/console/entry', this.urls.pageUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ room: this.#rooms.entry, name: 'Visitor' }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`status ${response.status}`);
  }

  async #join(): Promise<void> {
    const { gatewayUrls, api } = this.urls;
    void this.#refill(api);
    const token = this.#tokens.shift();
    if (token === undefined) throw new NotSent();
    const client = await RawClient.connect(gatewayUrls[this.#joins++ % gatewayUrls.length]!, { token });
    try {
      const { rtpCapabilities } = await client.welcome();
      const { ok, error } = await client.request('join', { room: this.#rooms.join, rtpCapabilities });
      if (!ok) throw new Error(error!.code);
    } finally {
      client.close();
    }
  }

  async #refill(api: RestApi): Promise<void> {
    if (this.#refilling) return;
    this.#refilling = true;
    const wanted = stock - this.#tokens.length;
    await Promise.allSettled(
      Array.from({ length: Math.max(0, wanted) }, async () =>
        this.#tokens.push(await withTimeout(api.issueToken(this.#rooms.join))),
      ),
    );
    this.#refilling = false;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#loops);
    for (const room of Object.values(this.#rooms))
      await this.urls.api.request('DELETE', `/v1/rooms/${room}`).catch(() => undefined);
  }
}

/** There is no token for a join yet. */
class NotSent extends Error {}

async function withTimeout<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
