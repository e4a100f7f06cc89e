import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { offeredSubprotocols } from '@flotilla/auth';
import { FlotillaError, maxFrameBytes, signalPath, subprotocol } from '@flotilla/contracts';
import { histogram, latencyBuckets, type Logger } from '@flotilla/runtime';
import type { INestApplicationContext } from '@nestjs/common';
import { AbstractWsAdapter, type MessageMappingProperties } from '@nestjs/websockets';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import type { Edge } from '../edge/edge.ts';
import { refuse } from '../edge/refuse.ts';
import type { RequestHandlers } from '../requests/request-handler.ts';
import type { Lifecycle } from '../sessions/lifecycle.ts';
import { sendWelcome, type WelcomeSettings } from '../sessions/send-welcome.ts';
import { Session } from '../sessions/session.ts';
import type { SessionCleanup } from '../sessions/session-cleanup.ts';
import { type Admitted, type Handshake, selectSubprotocol } from './handshake.ts';
import { type BoundHandlers, RequestDispatcher, type RequestLimits } from './request-dispatcher.ts';

const handshakeSeconds = histogram({
  name: 'signaling_handshake_duration_seconds',
  help: 'From the upgrade request to the open WebSocket.',
  labelNames: ['outcome'],
  buckets: latencyBuckets,
});

/** A client that does not answer a close frame is disconnected after this long, ms. Missing in the types of `ws`. */
const closeTimeoutMs = 2000;

/** Time limit of a handshake, ms. */
const handshakeTimeoutMs = 10_000;

export type SessionLimits = Omit<RequestLimits, 'onFlood' | 'onRequest'>;

/** What the adapter works with. */
export interface SignalServices {
  readonly edge: Edge;
  readonly handshake: Handshake;
  readonly lifecycle: Lifecycle;
  readonly cleanup: SessionCleanup;
  readonly handlers: RequestHandlers;
  readonly limits: SessionLimits;
  readonly welcome: WelcomeSettings;
  /** Moves all sessions to other gateways. `handshakes` resolves when no handshake is in progress. */
  readonly drain: (handshakes: () => Promise<void>) => Promise<void>;
  readonly log: Logger;
}

/**
 * WebSocket adapter for Nest. The one for `ws` drops messages that it can't parse without an answer; this one admits
 * connections and answers every message. Nest binds the handlers once, as if for a single client, and each request names its
 * session: bound for each session, they would be a closure per handler and session.
 */
export class SignalAdapter extends AbstractWsAdapter {
  readonly #websockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxFrameBytes,
    // Compression fragments memory, and signaling messages are small.
    perMessageDeflate: false,
    clientTracking: false,
    closeTimeout: closeTimeoutMs,
    handleProtocols: selectSubprotocol,
  } as ServerOptions);
  #handlers: BoundHandlers;
  readonly #limits: RequestLimits;
  readonly #http: Server;
  readonly #handshakes = new Set<Promise<void>>();

  constructor(
    app: INestApplicationContext,
    private readonly services: SignalServices,
  ) {
    super(app);
    const { limits, lifecycle, handlers } = services;
    this.#handlers = { table: handlers, callbacks: new Map() };
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

  /** Reports a single client to Nest. */
  override bindClientConnect(_server: EventEmitter, connect: (client: object) => void): void {
    connect({});
  }

  bindMessageHandlers(_client: object, handlers: MessageMappingProperties[]): void {
    const callbacks = new Map(handlers.map(({ message, callback }) => [String(message), callback]));
    this.#handlers = { table: this.services.handlers, callbacks };
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (request.url?.split('?')[0] !== signalPath)
      return refuse(socket, {
        error: new FlotillaError('NOT_FOUND', `the WebSocket endpoint is ${signalPath}`),
        headers: {},
      });
    const startedAt = performance.now();
    const finish = (outcome: string): void =>
      handshakeSeconds.observe({ outcome }, (performance.now() - startedAt) / 1000);
    const problem = this.services.edge.upgradeProblem(request);
    if (problem) {
      finish(problem.error.code);
      return refuse(socket, problem);
    }
    const done = watchHandshake(socket, this.services.log);
    const handshake = this.#admit(request, socket, head)
      .then(
        () => finish('ok'),
        (error: unknown) => {
          const failure = FlotillaError.from(error);
          if (failure.code === 'INTERNAL') this.services.log.error({ err: failure.cause }, 'handshake failed');
          finish(failure.code);
          refuse(socket, { error: failure, headers: {} });
        },
      )
      .finally(() => {
        done();
        this.#handshakes.delete(handshake);
      });
    this.#handshakes.add(handshake);
  };

  async #admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (!offeredSubprotocols(request).includes(subprotocol))
      throw new FlotillaError('BAD_MESSAGE', `offer the subprotocol ${subprotocol}`);
    const admitted = await this.services.handshake.admit(request);
    // Meanwhile the client may have disconnected, or this gateway stopped.
    const { stopped } = this.services.lifecycle;
    if (socket.destroyed || stopped || !this.#open(admitted, request, socket, head))
      this.services.cleanup.scheduleDetach(admitted.identity.id, admitted.resumeToken.hash);
    if (stopped) throw new FlotillaError('UNAVAILABLE', 'this gateway stopped, connect to another');
  }

  /** Completes the upgrade. Returns false when `ws` refuses it. */
  #open(admitted: Admitted, request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const { identity, resumption, resumeToken, offsets, rtpCapabilities } = admitted;
    let opened = false;
    // Sends the answer to the upgrade and the first message in one segment.
    socket.cork();
    this.#websockets.handleUpgrade(request, socket, head, (websocket) => {
      opened = true;
      const session = new Session(identity, resumption, websocket, socket, resumeToken.hash, offsets);
      session.messagesOfAddress = admitted.messagesOfAddress;
      this.#connected(websocket, session);
      sendWelcome(session, resumeToken.token, rtpCapabilities, this.services.welcome);
    });
    socket.uncork();
    return opened;
  }

  #connected(websocket: WebSocket, session: Session): void {
    const { lifecycle, log } = this.services;
    const dispatcher = new RequestDispatcher(session, this.#handlers, this.#limits, log);
    websocket.on('error', (error) => log.debug({ err: error, sessionId: session.id }, 'WebSocket error'));
    const recordActivity = (): void => {
      session.recordActivity();
      lifecycle.handle(session, 'activity');
    };
    websocket.on('pong', recordActivity);
    websocket.on('message', (data, isBinary) => {
      recordActivity();
      dispatcher.receive(data as Buffer, isBinary);
    });
    websocket.once('close', (code) =>
      lifecycle.handle(session, code === 1000 || code === 1001 ? 'closed_by_client' : 'disconnected'),
    );
    lifecycle.connected(session);
  }

  override bindClientDisconnect(): void {
    // The lifecycle observes the socket itself.
  }

  override async close(): Promise<void> {
    // Upgrades are answered with UNAVAILABLE until all sessions have moved.
    await this.services.drain(async () => void (await Promise.all(this.#handshakes)));
    this.#http.off('upgrade', this.#onUpgrade);
    this.#websockets.close();
  }
}

/**
 * Bounds the time of a handshake. The returned function ends it: a listener that stayed would keep the request, with its
 * token, in memory as long as the connection.
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
