import {
  type Address,
  closeCodes,
  Event,
  FlotillaError,
  read,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  signalEvents,
  type SignalEventPayload,
} from '@flotilla/contracts';
import { type Closed, SignalSocket } from './signal-socket.ts';

/** A join token, or a function that returns one. The function is called again when a new session is needed. */
export type TokenSource = string | (() => Promise<string>);

export interface SignalSessionHandlers {
  /** An event of a room. Events arrive in order, each once. */
  onEvent(event: Event): void;
  /** The connection dropped and is being restored. */
  onDisconnected(): void;
  /** The session was resumed; missed events follow. */
  onResumed(rooms: ReplyPayload<'resume'>['rooms']): void;
  /** A new session replaces one that could not be resumed: join again. Rejects when that fails. */
  onRestarted(): Promise<void>;
  /** The token was exchanged for a newer one. */
  onRefreshed(reply: ReplyPayload<'refresh_token'>): void;
  /** The session has ended for good. */
  onEnded(error: FlotillaError | undefined): void;
}

/** Time without an answer to a probe after which the connection is unresponsive, in milliseconds. */
const probeWithinMs = 700;

/** Close codes after which the session is neither resumed nor replaced. */
const finalCodes: ReadonlySet<number> = new Set([closeCodes.NORMAL, closeCodes.SESSION_REPLACED]);
/** An operator ended the session: it is not replaced by a new one. */
export const sessionRevoked = (): FlotillaError =>
  new FlotillaError('SESSION_REVOKED', 'an operator ended the session or revoked its token');

/** Errors after which an attempt at a new session, with another token, would fail the same way. */
const finalErrors: ReadonlySet<string> = new Set([
  'UNAUTHENTICATED',
  'TOKEN_INVALID',
  'TOKEN_EXPIRED',
  'TOKEN_REVOKED',
  'FORBIDDEN',
  'BANNED',
  'ROOM_NOT_FOUND',
  'ROOM_FULL',
]);
/** Errors of a first connection after which waiting helps. They do not use the token up. */
const waitingErrors: ReadonlySet<string> = new Set(['RATE_LIMITED', 'OVERLOADED']);
const maxFirstAttempts = 4;
/** Time from the opening of a connection to the `welcome` of the server, in milliseconds. */
const welcomeWithinMs = 10_000;

/** The longest pause between two attempts to reconnect, in milliseconds. */
const maxPauseMs = 5000;
/** Before the session moves to another gateway, how long replies are awaited and how often that is checked, in milliseconds. */
const repliesWithinMs = 1000;
const checkIntervalMs = 20;
/** The longest pause between two attempts to move to another gateway, in milliseconds: it stops within seconds. */
const maxMovePauseMs = 1000;
/** How long a new session is attempted after the previous one could not be resumed, in milliseconds. */
const restartWithinMs = 60_000;

/** A session with the fleet that survives its sockets: reconnects, resumes, and delivers each event once, in order. */
export class SignalSession {
  readonly #url: string;
  readonly #token: TokenSource;
  readonly #handlers: SignalSessionHandlers;
  /** The last `seq` that was delivered of each room, by the room's address. */
  readonly #offsets = new Map<string, string>();
  #socket: SignalSocket | undefined;
  /** The connection that the session moves away from. */
  #movingFrom: SignalSocket | undefined;
  /** A move to another gateway or a reconnect is under way: one at a time. */
  #isRestoring = false;
  /** `onDisconnected` was called, and neither `onResumed` nor `onRestarted` since. */
  #isDisconnected = false;
  #welcome: SignalEventPayload<'welcome'> | undefined;
  #ended = false;
  /** The client closed the session, so the server has to end it as well. */
  #closedByClient = false;

  private constructor(url: string, token: TokenSource, handlers: SignalSessionHandlers) {
    this.#url = url;
    this.#token = token;
    this.#handlers = handlers;
  }

  /**
   * Waits and tries again, up to `maxFirstAttempts` times, while the fleet has too many connections; `signal` ends the wait.
   * @throws FlotillaError with the server's reason, or UNAVAILABLE when the fleet cannot be reached.
   */
  static async open(
    url: string,
    token: TokenSource,
    handlers: SignalSessionHandlers,
    signal?: AbortSignal,
  ): Promise<SignalSession> {
    const session = new SignalSession(url, token, handlers);
    for (let attempt = 1; ; attempt++) {
      try {
        await session.#connectWithToken();
        return session;
      } catch (error) {
        if (attempt === maxFirstAttempts || !waitingErrors.has(FlotillaError.from(error).code)) throw error;
        await session.#pause(attempt + 1, maxPauseMs, signal);
        signal?.throwIfAborted();
      }
    }
  }

  /** The last `welcome` of the server. */
  get welcome(): SignalEventPayload<'welcome'> {
    return this.#welcome!;
  }

  /** @throws FlotillaError with the server's reason, UNAVAILABLE without a connection, or DEADLINE_EXCEEDED. */
  request<T extends RequestType>(type: T, payload: RequestPayload<T>, to?: Address): Promise<ReplyPayload<T>> {
    if (!this.#socket)
      return Promise.reject(new FlotillaError('UNAVAILABLE', this.#ended ? 'the session has ended' : 'reconnecting'));
    return this.#socket.request(type, payload, to);
  }

  /** Checks that the gateway answers, within less time than other requests have: called when something suggests that it failed. */
  probe(): void {
    this.#socket?.request('ping', {}, undefined, probeWithinMs).catch(() => undefined);
  }

  /** Sets the offset from which a resume requests events of the room, such as that of a snapshot. */
  setOffset(roomId: string, offset: string): void {
    this.#offsets.set(`room:${roomId}`, offset);
  }

  async #connectWithToken(): Promise<void> {
    const token = typeof this.#token === 'string' ? this.#token : await this.#token();
    await this.#connect({ token });
  }

  async #connect(credential: { token: string } | { resumeToken: string }): Promise<void> {
    const welcome = Promise.withResolvers<SignalEventPayload<'welcome'>>();
    const socket = await SignalSocket.open(this.#url, credential, (event) => {
      if (event.type === 'welcome') welcome.resolve(read(signalEvents.welcome, event.payload));
      else if (event.type === 'token_expiring') void this.#refreshToken();
      else if (event.type === 'move') void this.#moveAway();
      else this.#onEvent(event);
    });
    socket.onUnresponsive = () => void this.#leaveUnresponsive(socket);
    socket.onClosed = (closed) => {
      welcome.reject(new FlotillaError('UNAVAILABLE', 'the connection was lost'));
      this.#onClosed(socket, closed);
    };
    const timer = setTimeout(() => {
      welcome.reject(new FlotillaError('UNAVAILABLE', 'the server sent no welcome in time'));
      socket.disconnect();
    }, welcomeWithinMs);
    this.#welcome = await welcome.promise.finally(() => clearTimeout(timer));
    for (const [address, seq] of Object.entries(this.#welcome.offsets)) this.#offsets.set(address, seq);
    // Closed by the client while it connected: the server ends the session.
    if (this.#ended) return socket.close();
    const previous = this.#socket;
    this.#socket = socket;
    // After a resume, the gateway closes the previous connection: a normal closure by the client would end the session.
    if (!this.#welcome.resumed) previous?.close();
  }

  /** Exchanges the token for a newer one. With a fixed token the session ends when the token expires. */
  async #refreshToken(): Promise<void> {
    if (typeof this.#token === 'string') return;
    try {
      this.#handlers.onRefreshed(await this.request('refresh_token', { token: await this.#token() }));
    } catch {
      // The gateway closes the session when the token has expired, and the client opens a new one.
    }
  }

  /** The gateway is stopping: resumes the session on another one while this connection is still open. */
  async #moveAway(): Promise<void> {
    const deadline = performance.now() + repliesWithinMs;
    while (this.#socket?.pending && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, checkIntervalMs));
    if (this.#socket) await this.#move(this.#socket);
  }

  /** The gateway may have failed: resumes the session on another connection. This one is used until that succeeds. */
  async #leaveUnresponsive(socket: SignalSocket): Promise<void> {
    if (this.#socket !== socket) return;
    await this.#move(socket);
    if (this.#socket !== socket) socket.rejectPending();
  }

  async #move(leaving: SignalSocket): Promise<void> {
    if (this.#ended || this.#isRestoring) return;
    this.#isRestoring = true;
    this.#movingFrom = leaving;
    const moved = await this.#resumeBeside(leaving);
    this.#movingFrom = undefined;
    this.#isRestoring = false;
    if (!moved || !this.#socket) this.#restore();
  }

  /**
   * Resumes the session beside the connection that is being left. A load balancer may lead attempts to the gateway that is
   * being left, which refuses them: they are repeated until that connection is closed. Returns false when the session has to
   * be reconnected.
   */
  async #resumeBeside(leaving: SignalSocket): Promise<boolean> {
    const deadline = performance.now() + this.welcome.resumeWindowSeconds * 1000;
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#resume();
        return true;
      } catch (error) {
        if (FlotillaError.from(error).code === 'SESSION_EXPIRED' || performance.now() > deadline) return false;
        if (this.#socket === leaving) await Promise.race([this.#pause(attempt, maxMovePauseMs), leaving.closed]);
        if (this.#ended || this.#socket !== leaving) return false;
      }
    }
  }

  /** Reconnects the session, whose connection is lost, unless that is under way. */
  #restore(): void {
    if (this.#ended || this.#isRestoring) return;
    this.#isRestoring = true;
    this.#notifyDisconnected();
    void this.#reconnect().finally(() => {
      this.#isRestoring = false;
      // The new connection may have been lost while the application restored its rooms over it.
      if (!this.#socket) this.#restore();
    });
  }

  #notifyDisconnected(): void {
    if (this.#isDisconnected) return;
    this.#isDisconnected = true;
    this.#handlers.onDisconnected();
  }

  #onEvent(event: Event): void {
    if (event.seq !== undefined) this.#offsets.set(event.to, event.seq);
    this.#handlers.onEvent(event);
  }

  #onClosed(socket: SignalSocket, { code, reason }: Closed): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    if (this.#ended) return;
    const isMoving = this.#movingFrom === socket;
    // The gateway that is being left closes its connection once another one has resumed the session.
    if (isMoving && code === closeCodes.SESSION_REPLACED) return;
    if (code === closeCodes.SESSION_REVOKED) return this.#end(sessionRevoked());
    if (finalCodes.has(code))
      return this.#end(code === closeCodes.NORMAL ? undefined : new FlotillaError('SESSION_EXPIRED', reason));
    if (isMoving) this.#notifyDisconnected();
    else this.#restore();
  }

  #end(error: FlotillaError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket?.close();
    this.#handlers.onEnded(error);
  }

  /**
   * Resumes the session within the resume window, and opens a new one after it. A session that the client closed meanwhile is
   * resumed only to close it.
   */
  async #reconnect(): Promise<void> {
    const windowEnds = performance.now() + this.welcome.resumeWindowSeconds * 1000;
    let giveUpAt = windowEnds + restartWithinMs;
    let resumable = true;
    for (let attempt = 0; ; attempt++) {
      await this.#pause(attempt);
      const resumes = resumable && performance.now() < windowEnds;
      if (this.#ended && !(this.#closedByClient && resumes)) return;
      if (performance.now() > giveUpAt)
        return this.#end(new FlotillaError('UNAVAILABLE', 'the connection could not be restored'));
      try {
        return await (resumes ? this.#resume() : this.#restart());
      } catch (error) {
        const failure = FlotillaError.from(error);
        if (failure.code === 'SESSION_EXPIRED' && resumable) {
          resumable = false;
          giveUpAt = performance.now() + restartWithinMs;
          attempt = 0;
        } else if (!resumable && finalErrors.has(failure.code)) {
          return this.#end(failure);
        }
      }
    }
  }

  async #resume(): Promise<void> {
    await this.#connect({ resumeToken: this.welcome.resumeToken });
    if (this.#ended) return;
    const { rooms } = await this.request('resume', { offsets: Object.fromEntries(this.#offsets) });
    if (this.#ended) return;
    this.#isDisconnected = false;
    this.#handlers.onResumed(rooms);
  }

  async #restart(): Promise<void> {
    if (typeof this.#token === 'string')
      return this.#end(
        new FlotillaError(
          'SESSION_EXPIRED',
          'The session could not be resumed. Pass a function as `token`, so that a new session can be opened.',
        ),
      );
    this.#offsets.clear();
    await this.#connectWithToken();
    if (this.#ended) return;
    await this.#handlers.onRestarted();
    this.#isDisconnected = false;
  }

  /** Exponential, with jitter so that clients of one gateway do not reconnect together. The event `online` and the signal end a pause. */
  #pause(attempt: number, maxMs = maxPauseMs, signal?: AbortSignal): Promise<void> {
    const longestMs = Math.min(250 * 2 ** attempt, maxMs);
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        globalThis.removeEventListener?.('online', done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, longestMs * (0.5 + Math.random() / 2));
      globalThis.addEventListener?.('online', done);
      signal?.addEventListener('abort', done);
    });
  }

  /**
   * Ends the session, here at once. The server ends it when the connection closes; without a connection, when it is restored
   * within the resume window, or at the end of that.
   */
  close(): void {
    this.#ended = true;
    this.#closedByClient = true;
    this.#socket?.close();
    this.#socket = undefined;
  }
}
