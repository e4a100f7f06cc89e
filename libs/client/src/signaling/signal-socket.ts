import {
  type Address,
  ErrorBody,
  type ErrorCode,
  Event,
  FlotillaError,
  Reply,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  resumeSubprotocolPrefix,
  safeRead,
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
/** Time after a request without any message after which a connection is unresponsive, in milliseconds. */
const unresponsiveAfterMs = 2000;
/** Pause before the second check, in milliseconds. */
const confirmAfterMs = 100;
/** How long a socket may take to open, in milliseconds. */
const openWithinMs = 10_000;
/**
 * When further attempts start beside the first, in milliseconds after it. Behind a load balancer an attempt may be led to a
 * server that is down, and each of the next ones to another.
 */
const laterAttemptsMs = [1000, 2500, 5000] as const;

interface Pending {
  readonly type: RequestType;
  readonly resolve: (payload: unknown) => void;
  readonly reject: (error: FlotillaError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly responseTimer: ReturnType<typeof setTimeout>;
}

/** One WebSocket with the subprotocol flotilla.v1: sends requests, matches replies and delivers events. */
export class SignalSocket {
  readonly #socket: WebSocket;
  readonly #pending = new Map<string, Pending>();
  #lastId = 0;
  #receivedAt = 0;
  readonly #closed = Promise.withResolvers<void>();
  onEvent: (event: Event) => void = () => undefined;
  onClosed: (closed: Closed) => void = () => undefined;
  /** Nothing was received since a request was sent: the server may have failed without closing the connection. */
  onUnresponsive: () => void = () => undefined;
  /** Resolves when the socket is closed. */
  readonly closed = this.#closed.promise;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /**
   * Opens a socket, and tries again beside an attempt that takes long. A local clock that the server refuses (CLOCK_SKEW) is
   * corrected by the server's, and the opening tried again once.
   * @throws FlotillaError with the server's reason if it gives one, or UNAVAILABLE.
   */
  static async open(url: string, credential: Credential, onEvent: (event: Event) => void): Promise<SignalSocket> {
    // The error of a browser would contain the token.
    if ('token' in credential && !credentialGrammar.test(credential.token))
      throw new FlotillaError(
        'TOKEN_INVALID',
        'The token has characters that no token has, such as a space or a line break.',
      );
    const correction = clockCorrectionMs;
    try {
      return await SignalSocket.#open(url, credential, onEvent);
    } catch (error) {
      if (FlotillaError.from(error).code !== 'CLOCK_SKEW' || clockCorrectionMs === correction) throw error;
      return SignalSocket.#open(url, credential, onEvent);
    }
  }

  /**
   * The first attempt that opens wins. A credential opens one socket: when an attempt is refused because another one has used
   * it, that one is still awaited.
   */
  static #open(url: string, credential: Credential, onEvent: (event: Event) => void): Promise<SignalSocket> {
    const opened = Promise.withResolvers<SignalSocket>();
    const sockets: WebSocket[] = [];
    const failures: FlotillaError[] = [];
    let isSettled = false;
    const attempt = (): void => {
      const signal = new SignalSocket(connectSocket(url, credential));
      const socket = signal.#socket;
      sockets.push(socket);
      signal.onEvent = onEvent;
      let wasOpened = false;
      socket.onopen = () => {
        wasOpened = true;
        opened.resolve(signal);
      };
      socket.onmessage = ({ data }) => signal.#receive(String(data));
      socket.onclose = ({ code, reason }) => {
        if (wasOpened) return signal.#onClose({ code, reason });
        if (isSettled) return;
        // Browsers hide the response to a failed upgrade: the reason is requested separately.
        void refusal(url, credential).then((failure) => {
          failures.push(failure);
          if (failures.length === sockets.length) opened.reject(mostSpecific(failures));
        });
      };
    };
    attempt();
    const timers = laterAttemptsMs.map((afterMs) => setTimeout(attempt, afterMs));
    timers.push(
      setTimeout(
        () => opened.reject(new FlotillaError('UNAVAILABLE', 'no connection was opened in time')),
        openWithinMs,
      ),
    );
    return opened.promise.finally(() => {
      isSettled = true;
      timers.forEach(clearTimeout);
      for (const socket of sockets) if (socket.readyState === WebSocket.CONNECTING) socket.close();
    });
  }

  #receive(text: string): void {
    this.#receivedAt = performance.now();
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
    clearTimers(pending);
    if (!reply.ok) return pending.reject(new FlotillaError(reply.error?.code ?? 'INTERNAL', reply.error?.message));
    const payload = safeRead(signalRequests[pending.type].reply, reply.payload);
    if (payload.success) pending.resolve(payload.data);
    else pending.reject(new FlotillaError('BAD_MESSAGE', `the reply to ${pending.type} cannot be parsed`));
  }

  /**
   * Sends a request and resolves with its reply.
   * @param withinMs time without a reply and without any other message after which the connection is unresponsive.
   * @throws FlotillaError with the server's reason, DEADLINE_EXCEEDED without a reply in time, or UNAVAILABLE without a connection.
   */
  request<T extends RequestType>(
    type: T,
    payload: RequestPayload<T>,
    to?: Address,
    withinMs = unresponsiveAfterMs,
  ): Promise<ReplyPayload<T>> {
    if (this.#socket.readyState !== WebSocket.OPEN)
      return Promise.reject(new FlotillaError('UNAVAILABLE', 'not connected'));
    const id = String(++this.#lastId);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new FlotillaError('DEADLINE_EXCEEDED', `no reply to ${type} within ${requestTimeoutMs / 1000} s`));
      }, requestTimeoutMs);
      const responseTimer = this.#watchResponse(id, withinMs);
      this.#pending.set(id, { type, resolve: resolve as (payload: unknown) => void, reject, timer, responseTimer });
      this.#socket.send(JSON.stringify({ id, type, ...(to && { to }), payload }));
    });
  }

  /** Checks twice: a page that was busy runs its timers before it processes the messages that have arrived. */
  #watchResponse(id: string, withinMs: number): ReturnType<typeof setTimeout> {
    const sentAt = performance.now();
    const isUnresponsive = (): boolean => this.#pending.has(id) && this.#receivedAt < sentAt;
    return setTimeout(() => {
      if (isUnresponsive()) setTimeout(() => isUnresponsive() && this.onUnresponsive(), confirmAfterMs);
    }, withinMs);
  }

  #onClose(closed: Closed): void {
    this.rejectPending();
    this.#closed.resolve();
    this.onClosed(closed);
  }

  /** Rejects the requests without a reply with UNAVAILABLE. */
  rejectPending(): void {
    for (const pending of this.#pending.values()) {
      clearTimers(pending);
      pending.reject(new FlotillaError('UNAVAILABLE', 'the connection was lost'));
    }
    this.#pending.clear();
  }

  /** Number of requests without a reply. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Closes the socket without a code, which the server treats as a lost connection: the session may be resumed. */
  disconnect(): void {
    this.#socket.close();
  }

  /** Closes the socket normally, which ends the session on the server. */
  close(): void {
    this.#socket.close(1000, 'closed by client');
  }
}

function clearTimers({ timer, responseTimer }: Pending): void {
  clearTimeout(timer);
  clearTimeout(responseTimer);
}

/** The characters of a JWT in the compact serialization, RFC 7515 section 7.1, and of resume tokens. */
const credentialGrammar = /^[\w.-]+$/;

function connectSocket(url: string, credential: Credential): WebSocket {
  const entry =
    'token' in credential
      ? tokenSubprotocolPrefix + credential.token
      : resumeSubprotocolPrefix + credential.resumeToken;
  const time = timeSubprotocolPrefix + String(Date.now() + clockCorrectionMs);
  return new WebSocket(signalUrl(url), [subprotocol, entry, time]);
}

/** The reason that a server gave, if one was reached. */
const mostSpecific = (failures: readonly FlotillaError[]): FlotillaError =>
  failures.find(({ code }) => code !== 'UNAVAILABLE') ?? failures[0]!;

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
    if (response.ok)
      return new FlotillaError(
        'UNAVAILABLE',
        `${address.host} would accept the connection, but no WebSocket to it opens: a proxy or an extension may block it`,
      );
    const body = (await response.json().catch(() => undefined)) as { error?: unknown } | undefined;
    const refused = ErrorBody.safeParse(body?.error);
    // A proxy answered.
    if (!refused.success)
      return new FlotillaError(codeOf(response.status), `${address.host} answered ${response.status}`);
    const { code, message } = refused.data;
    const serverTime = Number(response.headers.get(timeHeader) ?? NaN);
    if (code === 'CLOCK_SKEW' && serverTime > 0) clockCorrectionMs = serverTime - Date.now();
    return new FlotillaError(code, message);
  } catch (error) {
    return new FlotillaError('UNAVAILABLE', `${address.host} cannot be reached`, { cause: error });
  }
}

const codeOf = (status: number): ErrorCode => (status === 429 ? 'RATE_LIMITED' : 'UNAVAILABLE');
