import {
  type Event,
  Event as EventSchema,
  read,
  Reply,
  resumeSubprotocolPrefix,
  signalEvents,
  type SignalEventPayload,
  signalPath,
  subprotocol,
  tokenSubprotocolPrefix,
} from '@flotilla/contracts';
import { WebSocket } from 'ws';
import { notYet, waitFor } from './wait-for.ts';

/** The response of a server that refuses an upgrade. */
export class UpgradeRefused extends Error {
  override readonly name = 'UpgradeRefused';

  constructor(
    readonly status: number,
    readonly body: { error?: { code: string; message: string } } | undefined,
  ) {
    super(`the upgrade was refused with ${status} ${body?.error?.code ?? ''}`);
  }

  get code(): string | undefined {
    return this.body?.error?.code;
  }
}

export interface RawOptions {
  readonly token?: string;
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Answer heartbeats. Default true. */
  readonly autoPong?: boolean;
  /** Local address of the connection; on Linux any 127.x.y.z. */
  readonly localAddress?: string;
}

/** A client of flotilla.v1 without the SDK: a plain WebSocket that keeps all events and replies. */
export class RawClient {
  static readonly #open = new Set<RawClient>();
  readonly events: Event[] = [];
  readonly replies: Reply[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  onEvent: (event: Event) => void = () => undefined;
  #lastId = 0;

  private constructor(readonly socket: WebSocket) {
    RawClient.#open.add(this);
    socket.on('close', () => RawClient.#open.delete(this));
    this.closed = new Promise((resolve) =>
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    socket.on('message', (data) => {
      const message: unknown = JSON.parse((data as Buffer).toString());
      if ('replyTo' in (message as object)) this.replies.push(Reply.parse(message));
      else {
        const event = EventSchema.parse(message);
        this.events.push(event);
        this.onEvent(event);
      }
    });
  }

  /** Connects. Throws UpgradeRefused. */
  static async connect(
    url: string,
    { token, protocols, headers = {}, autoPong = true, localAddress }: RawOptions,
  ): Promise<RawClient> {
    const address = new URL(signalPath, url.replace(/^http/, 'ws'));
    const offered = protocols ?? [subprotocol, ...(token === undefined ? [] : [tokenSubprotocolPrefix + token])];
    const socket = new WebSocket(address, [...offered], {
      headers: { ...headers },
      perMessageDeflate: false,
      autoPong,
      ...(localAddress !== undefined && { localAddress }),
    });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
      socket.on('unexpected-response', (_request, response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => reject(new UpgradeRefused(response.statusCode ?? 0, parseOrUndefined(text))));
      });
    });
    return client;
  }

  /** Resumes a session. Throws UpgradeRefused. */
  static resume(url: string, resumeToken: string): Promise<RawClient> {
    return RawClient.connect(url, { protocols: [subprotocol, resumeSubprotocolPrefix + resumeToken] });
  }

  /** The payload of the event `welcome`. */
  async welcome(): Promise<SignalEventPayload<'welcome'>> {
    return read(signalEvents.welcome, (await this.event('welcome')).payload);
  }

  /** Sends a request and waits for its reply, a success or an error. */
  async request(type: string, payload: unknown = {}, to?: string): Promise<Reply> {
    const id = `r${++this.#lastId}`;
    this.socket.send(JSON.stringify({ id, type, ...(to !== undefined && { to }), payload }));
    return this.replyTo(id);
  }

  /** Sends bytes as they are and waits for the next reply. */
  async sendRaw(text: string): Promise<Reply> {
    const before = this.replies.length;
    this.socket.send(text);
    return waitFor('a reply', () => this.replies[before] ?? notYet('there is none'));
  }

  async replyTo(id: string): Promise<Reply> {
    return waitFor(
      `the reply to ${id}`,
      () => this.replies.find(({ replyTo }) => replyTo === id) ?? notYet('there is none'),
      { everyMs: 5 },
    );
  }

  /** Waits for an event of the type; one that was received before counts. */
  async event(type: string, matches: (event: Event) => boolean = () => true): Promise<Event> {
    return waitFor(
      `the event ${type}`,
      () =>
        this.events.find((event) => event.type === type && matches(event)) ??
        notYet(`seen so far: ${this.events.map((event) => event.type).join(', ')}`),
      { everyMs: 5 },
    );
  }

  close(): void {
    this.socket.close(1000);
  }

  /** Closes the clients that a failed test has left, so that the tests after it find an empty topology. */
  static closeAll(): void {
    for (const client of RawClient.#open) client.close();
  }
}

function parseOrUndefined(text: string): UpgradeRefused['body'] {
  try {
    return JSON.parse(text) as UpgradeRefused['body'];
  } catch {
    return undefined;
  }
}
