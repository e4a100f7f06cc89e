import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { EventEmitter } from 'node:events';
import { offeredSubprotocols } from '@flotilla/auth';
import { FlotillaError, maxFrameBytes, signalPath, subprotocol } from '@flotilla/contracts';
import { histogram, latencyBuckets, type Logger } from '@flotilla/runtime';
import type { INestApplicationContext } from '@nestjs/common';
import { AbstractWsAdapter, type MessageMappingProperties } from '@nestjs/websockets';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import type { Lifecycle } from '../sessions/lifecycle.ts';
import { Session } from '../sessions/session.ts';
import { refuse } from '../edge/refuse.ts';
import type { Edge } from '../edge/edge.ts';
import { type Handshake, selectSubprotocol } from './handshake.ts';
import { type Handler, RequestDispatcher, type RequestLimits } from './request-dispatcher.ts';

const handshakeSeconds = histogram({
  name: 'signaling_handshake_duration_seconds',
  help: 'From the upgrade request to the open WebSocket.',
  labelNames: ['outcome'],
  buckets: latencyBuckets,
});

/** A client that does not answer a close frame is cut after this long. Types of `ws` don't know the option yet. */
const closeTimeoutMs = 2000;

/** How long a client may take to be let in. */
const handshakeTimeoutMs = 10_000;

/** What each session may ask of the gateway. */
export type SessionLimits = Omit<RequestLimits, 'onFlood' | 'onRequest'>;

/** Says the first word to a session that is connected. It comes back with the token. */
export type Welcome = (session: Session, resumeToken: string) => void;

/**
 * Nest's way to WebSockets. Its own adapter for `ws` drops what it can't read without a word; this one lets nobody in who
 * is not admitted, and answers every message. Nest binds the handlers once, as if for a single client, and each request says
 * whose it is: bound anew for each session they are 4 KB of its memory.
 */
export class SignalAdapter extends AbstractWsAdapter {
  readonly #websockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxFrameBytes,
    // Fragments memory, and signaling messages are small.
    perMessageDeflate: false,
    clientTracking: false,
    closeTimeout: closeTimeoutMs,
    handleProtocols: selectSubprotocol,
  } as ServerOptions);
  #handlers: ReadonlyMap<string, Handler> = new Map();
  readonly #limits: RequestLimits;
  readonly #http: Server;

  constructor(
    app: INestApplicationContext,
    private readonly edge: Edge,
    private readonly handshake: Handshake,
    private readonly lifecycle: Lifecycle,
    private readonly welcome: Welcome,
    limits: SessionLimits,
    private readonly log: Logger,
  ) {
    super(app);
    this.#limits = {
      ...limits,
      onFlood: (session) => lifecycle.handle(session, 'flood'),
      onRequest: (session) => lifecycle.handle(session, 'request'),
    };
    this.#http = this.httpServer as Server;
    this.#http.on('upgrade', this.#onUpgrade);
  }

  create(): EventEmitter {
    return new EventEmitter();
  }

  /** The one client that Nest knows. */
  override bindClientConnect(_server: EventEmitter, connect: (client: object) => void): void {
    connect({});
  }

  bindMessageHandlers(_client: object, handlers: MessageMappingProperties[]): void {
    this.#handlers = new Map(handlers.map(({ message, callback }) => [String(message), callback]));
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (request.url?.split('?')[0] !== signalPath)
      return refuse(socket, {
        error: new FlotillaError('NOT_FOUND', `the WebSocket endpoint is ${signalPath}`),
        headers: {},
      });
    const began = performance.now();
    const finish = (outcome: string): void => handshakeSeconds.observe({ outcome }, (performance.now() - began) / 1000);
    const problem = this.edge.upgradeProblem(request);
    if (problem) {
      finish(problem.error.code);
      return refuse(socket, problem);
    }
    const done = watchHandshake(socket, this.log);
    void this.#admit(request, socket, head)
      .then(
        () => finish('ok'),
        (error: unknown) => {
          const failure = FlotillaError.from(error);
          if (failure.code === 'INTERNAL') this.log.error({ err: failure.cause }, 'handshake failed');
          finish(failure.code);
          refuse(socket, { error: failure, headers: {} });
        },
      )
      .finally(done);
  };

  async #admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (!offeredSubprotocols(request).includes(subprotocol))
      throw new FlotillaError('BAD_MESSAGE', `offer the subprotocol ${subprotocol}`);
    const { identity, resumedRooms, resumeToken, offsets, messagesOfAddress } = await this.handshake.admit(request);
    let connected = false;
    if (!socket.destroyed) {
      // The answer to the upgrade and the first message go out together.
      socket.cork();
      this.#websockets.handleUpgrade(request, socket, head, (websocket) => {
        connected = true;
        const session = new Session(identity, resumedRooms, websocket, socket, resumeToken.hash, offsets);
        session.messagesOfAddress = messagesOfAddress;
        this.#connected(websocket, session);
        this.welcome(session, resumeToken.token);
      });
      socket.uncork();
    }
    // The client went away meanwhile.
    if (!connected) this.lifecycle.abandon(identity.id, resumeToken.hash);
  }

  #connected(websocket: WebSocket, session: Session): void {
    const dispatcher = new RequestDispatcher(session, this.#handlers, this.#limits, this.log);
    websocket.on('error', (error) => this.log.debug({ err: error, sessionId: session.id }, 'WebSocket error'));
    const recordActivity = (): void => {
      session.recordActivity();
      this.lifecycle.handle(session, 'life');
    };
    websocket.on('pong', recordActivity);
    websocket.on('message', (data, isBinary) => {
      recordActivity();
      dispatcher.receive(isBinary ? undefined : (data as Buffer).toString());
    });
    websocket.once('close', (code) =>
      this.lifecycle.handle(session, code === 1000 || code === 1001 ? 'goodbye' : 'gone'),
    );
    this.lifecycle.connected(session);
  }

  override bindClientDisconnect(): void {
    // The lifecycle hears of it from the socket itself.
  }

  override async close(): Promise<void> {
    // Who connects meanwhile is told to go elsewhere.
    await this.lifecycle.stop();
    this.#http.off('upgrade', this.#onUpgrade);
    this.#websockets.close();
  }
}

/**
 * Bounds the time of a handshake. Call what it returns when it is over: a listener that stayed would keep the request, with
 * its token, as long as the connection.
 */
function watchHandshake(socket: Duplex, log: Logger): () => void {
  const onError = (error: Error): void => log.debug({ err: error }, 'socket error during the handshake');
  const deadline = setTimeout(() => socket.destroy(), handshakeTimeoutMs);
  const done = (): void => {
    clearTimeout(deadline);
    socket.off('error', onError).off('close', done);
  };
  socket.on('error', onError).on('close', done);
  return done;
}
