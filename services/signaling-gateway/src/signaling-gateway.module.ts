import { type TokenConfig, tokenSettings, TokenVerifier, UpgradeAuthenticator } from '@flotilla/auth';
import { newId } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Fleet } from '@flotilla/store';
import {
  type DynamicModule,
  type INestApplication,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { EdgeConfig } from './config.ts';
import { Handshake } from './inbound/handshake.ts';
import { SignalHttpController } from './inbound/http.controller.ts';
import { type SessionLimits, SignalAdapter, type Welcome } from './inbound/signal.adapter.ts';
import { SIGNAL_CONTEXT, type SignalContext, SignalGateway } from './inbound/signal.gateway.ts';
import { ConnectionLimits } from './limits/connection-limits.ts';
import { Overload, watchOverload } from './limits/overload.ts';
import { NodeDirectory } from './node-directory.ts';
import { Memberships } from './rooms/memberships.ts';
import { Lifecycle } from './sessions/lifecycle.ts';
import { SessionTable } from './sessions/session-table.ts';
import { welcome, type WelcomeSettings } from './sessions/send-welcome.ts';
import { TopologyStream } from './topology/topology-stream.ts';
import { Edge } from './edge/edge.ts';

export interface SignalingGatewayOptions {
  readonly config: TokenConfig & EdgeConfig;
  readonly fleet: Fleet;
  readonly log: Logger;
}

/** The WSS front door. After the application is created, `useSignaling` opens it. */
@Module({})
export class SignalingGatewayModule {
  static register({ config, fleet, log }: SignalingGatewayOptions): DynamicModule {
    const { sessions, nodes } = fleet.store;
    const table = new SessionTable();
    const memberships = new Memberships(fleet.bus, sessions, config.FLOTILLA_MAX_ROOMS_PER_SESSION, log);
    const lifecycle = new Lifecycle(
      newId('gateway'),
      table,
      memberships,
      sessions,
      fleet.events,
      {
        resumeWindowMs: config.FLOTILLA_RESUME_WINDOW_SECONDS * 1000,
        heartbeatMs: config.FLOTILLA_HEARTBEAT_SECONDS * 1000,
        drainMs: config.FLOTILLA_DRAIN_SECONDS * 1000,
      },
      log,
    );
    const verifier = new TokenVerifier(tokenSettings(config));
    const overload = new Overload(config.FLOTILLA_OVERLOAD_DELAY_MS);
    const edge = new Edge(config);
    const context: SignalContext = {
      fleet,
      lifecycle,
      memberships,
      topology: new TopologyStream(fleet.store, log),
      verifier,
      log,
    };
    const directory = new NodeDirectory(nodes, log);
    const settings: WelcomeSettings = {
      resumeWindowSeconds: config.FLOTILLA_RESUME_WINDOW_SECONDS,
      heartbeatSeconds: config.FLOTILLA_HEARTBEAT_SECONDS,
    };
    const greet: Welcome = (session, resumeToken) => void welcome(session, resumeToken, directory, settings);
    const handshake = new Handshake(
      new UpgradeAuthenticator(verifier),
      lifecycle,
      sessions,
      new ConnectionLimits({
        total: config.FLOTILLA_MAX_CONNECTIONS,
        perAddress: config.FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS,
        perAddressPerSecond: config.FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS,
        messagesPerAddressPerSecond: config.FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS,
      }),
      overload,
      edge,
      {
        allowedOrigins: config.FLOTILLA_ALLOWED_ORIGINS,
        requireClientTime: config.FLOTILLA_REQUIRE_CLIENT_TIME,
      },
    );
    const limits: SessionLimits = {
      messagesPerSecond: config.FLOTILLA_MESSAGES_PER_SECOND,
      messagesAtOnce: config.FLOTILLA_MESSAGES_PER_SECOND * 3,
      overload,
    };
    return {
      module: SignalingGatewayModule,
      controllers: [SignalHttpController],
      providers: [
        SignalGateway,
        { provide: SIGNAL_CONTEXT, useValue: context },
        { provide: Handshake, useValue: handshake },
        { provide: Edge, useValue: edge },
        { provide: SESSION_LIMITS, useValue: limits },
        { provide: WELCOME, useValue: greet },
        { provide: FrontDoor, useValue: new FrontDoor(context, directory, overload) },
      ],
    };
  }
}

const SESSION_LIMITS = Symbol('session limits');
const WELCOME = Symbol('welcome');

class FrontDoor implements OnApplicationBootstrap, OnApplicationShutdown {
  #stops: (() => void)[] = [];

  constructor(
    private readonly context: SignalContext,
    private readonly nodes: NodeDirectory,
    private readonly overload: Overload,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { lifecycle, topology } = this.context;
    const { nodes } = this;
    await lifecycle.start();
    nodes.start();
    const overload = watchOverload(this.overload);
    this.#stops = [() => nodes.stop(), () => topology.stop(), () => overload.stop()];
  }

  onApplicationShutdown(): void {
    for (const stop of this.#stops) stop();
  }
}

/** Puts the WebSocket endpoint on the application's HTTP server. Call it before the application listens. */
export function useSignaling(app: INestApplication): void {
  const { lifecycle, log } = app.get<SignalContext>(SIGNAL_CONTEXT, { strict: false });
  const [edge, handshake] = [app.get(Edge, { strict: false }), app.get(Handshake, { strict: false })];
  const limits = app.get<SessionLimits>(SESSION_LIMITS, { strict: false });
  const greet = app.get<Welcome>(WELCOME, { strict: false });
  app.useWebSocketAdapter(new SignalAdapter(app, edge, handshake, lifecycle, greet, limits, log));
}
