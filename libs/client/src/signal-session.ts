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
      else this.#onEvent(event);
    });
    socket.onClosed = (closed) => {
      welcome.reject(new FlotillaError('UNAVAILABLE', 'the connection was lost'));
      this.#onClosed(socket, closed);
    };
    this.#welcome = await welcome.promise;
    if (this.#ended) return socket.close();
    const former = this.#socket;
    this.#socket = socket;
    former?.close();
  }

  #onEvent(event: Event): void {
    if (event.seq !== undefined) this.#offsets.set(event.to, event.seq);
    this.#handlers.onEvent(event);
  }

  #onClosed(socket: SignalSocket, { code, reason }: Closed): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    if (this.#ended) return;
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
