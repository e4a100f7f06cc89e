import {
  type Address,
  closeCodes,
  Event,
  FlotillaError,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  signalEvents,
  type SignalEventPayload,
} from '@flotilla/contracts';
import { type Closed, SignalSocket } from './signal-socket.ts';

/** A join token, or what gets one. A function is asked again when the session can't come back and a new one is needed. */
export type TokenSource = string | (() => Promise<string>);

export interface SignalSessionHandlers {
  /** An event of a room, in order, each once. */
  onEvent(event: Event): void;
  /** The connection is gone; it is being brought back. */
  onLost(): void;
  /** It is back, and the session with it; missed events follow. */
  onResumed(rooms: ReplyPayload<'resume'>['rooms']): void;
  /** It is back with a new session: join again. Fails when that fails. */
  onRestarted(): Promise<void>;
  /** It is gone for good. */
  onEnded(error: FlotillaError | undefined): void;
}

/** Close codes after which there is nothing to come back to. */
const finalCodes: ReadonlySet<number> = new Set([closeCodes.NORMAL, closeCodes.SESSION_REPLACED, closeCodes.REMOVED]);
const finalErrors: ReadonlySet<string> = new Set([
  'UNAUTHENTICATED',
  'TOKEN_INVALID',
  'TOKEN_EXPIRED',
  'TOKEN_REPLAYED',
  'FORBIDDEN',
  'ROOM_NOT_FOUND',
  'ROOM_FULL',
]);
const maxPauseMs = 5000;
/** Before it moves, a session waits this long for replies to come, and looks this often; in milliseconds. */
const quietWithinMs = 1000;
const lookEveryMs = 20;
/** How long a new session is tried for after the old one can't come back. */
const restartForMs = 60_000;

/** A session with the fleet that outlives its sockets: it reconnects, resumes, and hands over each event once, in order. */
export class SignalSession {
  readonly #url: string;
  readonly #token: TokenSource;
  readonly #handlers: SignalSessionHandlers;
  /** The last `seq` seen of each room. */
  readonly #offsets = new Map<string, string>();
  #socket: SignalSocket | undefined;
  /** The connection that the session is being moved from. */
  #leaving: SignalSocket | undefined;
  #welcome: SignalEventPayload<'welcome'> | undefined;
  #ended = false;

  private constructor(url: string, token: TokenSource, handlers: SignalSessionHandlers) {
    this.#url = url;
    this.#token = token;
    this.#handlers = handlers;
  }

  static async open(url: string, token: TokenSource, handlers: SignalSessionHandlers): Promise<SignalSession> {
    const session = new SignalSession(url, token, handlers);
    await session.#connectAnew();
    return session;
  }

  /** What the server said when it let us in. */
  get welcome(): SignalEventPayload<'welcome'> {
    return this.#welcome!;
  }

  request<T extends RequestType>(type: T, payload: RequestPayload<T>, to?: Address): Promise<ReplyPayload<T>> {
    if (!this.#socket)
      return Promise.reject(new FlotillaError('UNAVAILABLE', this.#ended ? 'the session has ended' : 'reconnecting'));
    return this.#socket.request(type, payload, to);
  }

  /** From this offset on the room's events are counted, as after a snapshot. */
  setOffset(roomId: string, offset: string): void {
    this.#offsets.set(`room:${roomId}`, offset);
  }

  forgetRoom(roomId: string): void {
    this.#offsets.delete(`room:${roomId}`);
  }

  async #connectAnew(): Promise<void> {
    const token = typeof this.#token === 'string' ? this.#token : await this.#token();
    await this.#connect({ token });
  }

  async #connect(credential: { token: string } | { resumeToken: string }): Promise<void> {
    const welcome = Promise.withResolvers<SignalEventPayload<'welcome'>>();
    const socket = await SignalSocket.open(this.#url, credential, (event) => {
      if (event.type === 'welcome') welcome.resolve(signalEvents.welcome.parse(event.payload));
      else if (event.type === 'token_expiring') void this.#refreshToken();
      else if (event.type === 'move') void this.#move();
      else this.#onEvent(event);
    });
    socket.onClosed = (closed) => {
      welcome.reject(new FlotillaError('UNAVAILABLE', 'the connection was lost'));
      this.#onClosed(socket, closed);
    };
    this.#welcome = await welcome.promise;
    for (const [address, seq] of Object.entries(this.#welcome.offsets)) this.#offsets.set(address, seq);
    if (this.#ended) return socket.close();
    const former = this.#socket;
    this.#socket = socket;
    // One that the session was moved from is closed by its gateway: a goodbye there would end the session.
    if (!this.#welcome.resumed) former?.close();
  }

  /** Exchanges the token for a newer one. With a fixed token the session ends when that expires. */
  async #refreshToken(): Promise<void> {
    if (typeof this.#token === 'string') return;
    try {
      await this.request('refresh_token', { token: await this.#token() });
    } catch {
      // The gateway closes the session when the token has expired, and a new one is begun then.
    }
  }

  /** The gateway is about to stop: comes to another while this connection still carries what is on its way. */
  async #move(): Promise<void> {
    const deadline = performance.now() + quietWithinMs;
    while (this.#socket?.pending && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    if (this.#ended || !this.#socket) return;
    this.#leaving = this.#socket;
    try {
      await this.#resume();
    } catch {
      if (this.#socket || this.#ended) return;
      this.#handlers.onLost();
      void this.#reconnect();
    }
  }

  #onEvent(event: Event): void {
    if (event.seq !== undefined) this.#offsets.set(event.to, event.seq);
    this.#handlers.onEvent(event);
  }

  #onClosed(socket: SignalSocket, { code, reason }: Closed): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    // Its gateway let go of it because the session is on its way to another.
    if (this.#ended || this.#leaving === socket) return;
    if (finalCodes.has(code))
      return this.#end(code === closeCodes.NORMAL ? undefined : new FlotillaError('SESSION_EXPIRED', reason));
    this.#handlers.onLost();
    void this.#reconnect();
  }

  #end(error: FlotillaError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket?.close();
    this.#handlers.onEnded(error);
  }

  /** Within the resume window the same session; after it a new one, if a token can be had. */
  async #reconnect(): Promise<void> {
    const windowEnds = performance.now() + this.welcome.resumeWindowSeconds * 1000;
    let giveUpAt = windowEnds + restartForMs;
    let resumable = true;
    for (let attempt = 0; !this.#ended; attempt++) {
      await this.#pause(attempt);
      if (this.#ended) return;
      if (performance.now() > giveUpAt)
        return this.#end(new FlotillaError('UNAVAILABLE', 'the connection could not be brought back'));
      try {
        if (resumable && performance.now() < windowEnds) return await this.#resume();
        return await this.#restart();
      } catch (error) {
        const failure = FlotillaError.from(error);
        if (failure.code === 'SESSION_EXPIRED' && resumable) {
          resumable = false;
          giveUpAt = performance.now() + restartForMs;
          attempt = 0;
        } else if (!resumable && finalErrors.has(failure.code)) {
          return this.#end(failure);
        }
      }
    }
  }

  async #resume(): Promise<void> {
    await this.#connect({ resumeToken: this.welcome.resumeToken });
    const { rooms } = await this.request('resume', { offsets: Object.fromEntries(this.#offsets) });
    this.#handlers.onResumed(rooms);
  }

  async #restart(): Promise<void> {
    if (typeof this.#token === 'string')
      return this.#end(
        new FlotillaError(
          'SESSION_EXPIRED',
          'the session could not come back; give a function as token to begin a new one by itself',
        ),
      );
    this.#offsets.clear();
    await this.#connectAnew();
    await this.#handlers.onRestarted();
  }

  /** The first attempt comes soon, but not everybody's at once; later ones further apart. Coming online ends a pause. */
  #pause(attempt: number): Promise<void> {
    const most = Math.min(250 * 2 ** attempt, maxPauseMs);
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        globalThis.removeEventListener?.('online', done);
        resolve();
      };
      const timer = setTimeout(done, most * (0.5 + Math.random() / 2));
      globalThis.addEventListener?.('online', done);
    });
  }

  /** Ends the session. */
  close(): void {
    this.#ended = true;
    this.#socket?.close();
    this.#socket = undefined;
  }
}
