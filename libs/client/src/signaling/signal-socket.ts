import {
  type Address,
  Event,
  FlotillaError,
  Reply,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  resumeSubprotocolPrefix,
  signalPath,
  signalRequests,
  subprotocol,
  timeHeader,
  timeSubprotocolPrefix,
  tokenSubprotocolPrefix,
} from '@flotilla/contracts';

/** Opens a socket for a new session (join token), or for one that is to be resumed. */
export type Credential = { readonly token: string } | { readonly resumeToken: string };

/** Close code (docs/errors.md) and reason of a socket. 1006: the connection was lost without a close frame. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** Server time minus local time in milliseconds, set when a server refuses a request because of the local clock. */
let clockCorrectionMs = 0;

const requestTimeoutMs = 10_000;
const openTimeoutMs = 10_000;

interface Pending {
  readonly type: RequestType;
  readonly resolve: (payload: unknown) => void;
  readonly reject: (error: FlotillaError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** One WebSocket with the subprotocol flotilla.v1: sends requests, matches replies and delivers events. */
export class SignalSocket {
  readonly #socket: WebSocket;
  readonly #pending = new Map<string, Pending>();
  #lastId = 0;
  onEvent: (event: Event) => void = () => undefined;
  onClosed: (closed: Closed) => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /**
   * Opens a socket. When the server refuses the local clock (CLOCK_SKEW), it is corrected by the server's and tried again once.
   * @throws FlotillaError with the server's reason if it gives one, or UNAVAILABLE.
   */
  static async open(url: string, credential: Credential, onEvent: (event: Event) => void): Promise<SignalSocket> {
    const correction = clockCorrectionMs;
    try {
      return await SignalSocket.#open(url, credential, onEvent);
    } catch (error) {
      if (FlotillaError.from(error).code !== 'CLOCK_SKEW' || clockCorrectionMs === correction) throw error;
      return SignalSocket.#open(url, credential, onEvent);
    }
  }

  static #open(url: string, credential: Credential, onEvent: (event: Event) => void): Promise<SignalSocket> {
    const entry =
      'token' in credential
        ? tokenSubprotocolPrefix + credential.token
        : resumeSubprotocolPrefix + credential.resumeToken;
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(signalUrl(url), [
        subprotocol,
        entry,
        timeSubprotocolPrefix + String(Date.now() + clockCorrectionMs),
      ]);
      const signal = new SignalSocket(socket);
      signal.onEvent = onEvent;
      const timer = setTimeout(() => socket.close(), openTimeoutMs);
      let opened = false;
      socket.onopen = () => {
        opened = true;
        clearTimeout(timer);
        resolve(signal);
      };
      socket.onmessage = ({ data }) => signal.#receive(String(data));
      socket.onclose = ({ code, reason }) => {
        clearTimeout(timer);
        if (opened) signal.#onClose({ code, reason });
        // Browsers hide the response to a failed upgrade: the reason is requested separately.
        else void refusal(url, credential).then(reject);
      };
    });
  }

  #receive(text: string): void {
    const json: unknown = JSON.parse(text);
    if (!(json as { replyTo?: unknown }).replyTo) {
      const event = Event.safeParse(json);
      if (event.success) this.onEvent(event.data);
      return;
    }
    const reply = Reply.parse(json);
    const pending = this.#pending.get(reply.replyTo ?? '');
    if (!pending) return;
    this.#pending.delete(reply.replyTo!);
    clearTimeout(pending.timer);
    if (!reply.ok) return pending.reject(new FlotillaError(reply.error?.code ?? 'INTERNAL', reply.error?.message));
    const payload = signalRequests[pending.type].reply.safeParse(reply.payload);
    if (payload.success) pending.resolve(payload.data);
    else pending.reject(new FlotillaError('BAD_MESSAGE', `the reply to ${pending.type} cannot be parsed`));
  }

  /**
   * Sends a request and resolves with its reply.
   * @throws FlotillaError with the server's reason, DEADLINE_EXCEEDED without a reply in time, or UNAVAILABLE without a connection.
   */
  request<T extends RequestType>(type: T, payload: RequestPayload<T>, to?: Address): Promise<ReplyPayload<T>> {
    if (this.#socket.readyState !== WebSocket.OPEN)
      return Promise.reject(new FlotillaError('UNAVAILABLE', 'not connected'));
    const id = String(++this.#lastId);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new FlotillaError('DEADLINE_EXCEEDED', `no reply to ${type} within ${requestTimeoutMs / 1000} s`));
      }, requestTimeoutMs);
      this.#pending.set(id, { type, resolve: resolve as (payload: unknown) => void, reject, timer });
      this.#socket.send(JSON.stringify({ id, type, ...(to && { to }), payload }));
    });
  }

  #onClose(closed: Closed): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new FlotillaError('UNAVAILABLE', 'the connection was lost'));
    }
    this.#pending.clear();
    this.onClosed(closed);
  }

  /** Number of requests without a reply. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Closes the socket normally, which ends the session on the server. */
  close(): void {
    this.#socket.close(1000, 'closed by client');
  }
}

/** Accepts the origin of the fleet (`https://calls.example`) as well as a WebSocket URL. */
function signalUrl(url: string): string {
  const address = new URL(url, globalThis.location?.href);
  address.protocol = address.protocol.replace(/^http/, 'ws');
  if (address.pathname === '/') address.pathname = signalPath;
  return address.href;
}

/** Requests the reason of a failed upgrade. */
async function refusal(url: string, credential: Credential): Promise<FlotillaError> {
  const address = new URL(signalUrl(url));
  address.protocol = address.protocol.replace(/^ws/, 'http');
  address.pathname += '/validate';
  const authorization = 'token' in credential ? `Bearer ${credential.token}` : `Resume ${credential.resumeToken}`;
  try {
    const response = await fetch(address, {
      headers: { authorization, [timeHeader]: String(Date.now() + clockCorrectionMs) },
      signal: AbortSignal.timeout(5000),
    });
    // The credential is valid: it was used before, or the server refused the connection itself.
    if (response.ok)
      return 'token' in credential
        ? new FlotillaError('TOKEN_REPLAYED')
        : new FlotillaError('UNAVAILABLE', 'the connection was refused');
    const { error } = (await response.json()) as { error: { code: never; message: string } };
    const serverTime = Number(response.headers.get(timeHeader) ?? NaN);
    if ((error.code as string) === 'CLOCK_SKEW' && serverTime > 0) clockCorrectionMs = serverTime - Date.now();
    return new FlotillaError(error.code, error.message);
  } catch (error) {
    return new FlotillaError('UNAVAILABLE', `${address.host} cannot be reached`, { cause: error });
  }
}
