import type { Server } from 'node:http';
import { type TokenConfig, tokenSettings, TokenVerifier, UpgradeAuthenticator } from '@flotilla/auth';
import { newId } from '@flotilla/contracts';
import { type Logger, protectServer, type RequestLimitOptions, ServerLimits } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import {
  type DynamicModule,
  type INestApplication,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { EdgeConfig } from './config.ts';
import { Edge } from './edge/edge.ts';
import { firstBytesOf, type FirstBytesOptions, senderOf } from './edge/first-bytes.ts';
import { Gateway } from './gateway.ts';
import { Handshake } from './inbound/handshake.ts';
import { SignalHttpController } from './inbound/http.controller.ts';
import { SessionAdmission } from './inbound/session-admission.ts';
import { SignalAdapter, type SignalServices } from './inbound/signal.adapter.ts';
import { REQUEST_HANDLERS, SignalGateway } from './inbound/signal.gateway.ts';
import { ConnectionLimits } from './limits/connection-limits.ts';
import { RoomBytes } from './limits/room-bytes.ts';
import { RoomEvents } from './limits/room-events.ts';
import { UserBytes } from './limits/user-bytes.ts';
import { Overload } from './limits/overload.ts';
import { UserMessages } from './messages/user-messages.ts';
import { Negotiations } from './negotiation/negotiations.ts';
import { NodeDirectory } from './node-directory.ts';
import { MessageRequests } from './requests/message-requests.ts';
import { MigrationRequests } from './requests/migration-requests.ts';
import { NodeRequests } from './requests/node-requests.ts';
import { requestHandlers } from './requests/request-handlers.ts';
import { RoomRequests } from './requests/room-requests.ts';
import { TokenRequests } from './requests/token-requests.ts';
import { IceServers } from './rooms/ice-servers.ts';
import { Memberships } from './rooms/memberships.ts';
import { MetadataLinks } from './rooms/metadata-links.ts';
import { RoomChanges } from './rooms/room-changes.ts';
import { RoomSizes } from './rooms/room-sizes.ts';
import { RoomStreams } from './rooms/room-streams.ts';
import { FleetSessions } from './sessions/fleet-sessions.ts';
import { GatewayHeartbeat } from './sessions/gateway-heartbeat.ts';
import { LostSessions } from './sessions/lost-sessions.ts';
import { Lifecycle } from './sessions/lifecycle.ts';
import { SessionCleanup } from './sessions/session-cleanup.ts';
import { SessionTable } from './sessions/session-table.ts';
import { TopologyStream } from './topology/topology-stream.ts';

export interface SignalingGatewayOptions {
  readonly config: TokenConfig & EdgeConfig;
  readonly backplane: Backplane;
  readonly log: Logger;
}

/** The WebSocket edge of the fleet. `useSignaling` opens its endpoint after the application is created. */
@Module({})
export class SignalingGatewayModule {
  static register(options: SignalingGatewayOptions): DynamicModule {
    const { gateway, services } = compose(options);
    const { config } = options;
    return {
      module: SignalingGatewayModule,
      controllers: [SignalHttpController],
      providers: [
        SignalGateway,
        { provide: REQUEST_HANDLERS, useValue: services.handlers },
        { provide: SIGNAL_SERVICES, useValue: services },
        { provide: Handshake, useValue: services.handshake },
        { provide: Edge, useValue: services.edge },
        { provide: ServerLimits, useValue: serverLimitsOf(config) },
        { provide: GatewayHooks, useValue: new GatewayHooks(gateway) },
      ],
    };
  }
}

/**
 * A socket without a session costs less than one with it, but is closed without an answer: so many more of them than of
 * connections are accepted, for what ends as a refusal, a plain request, or a connection that replaces one.
 */
const socketsPerConnection = 2;

const serverLimitsOf = (config: EdgeConfig): ServerLimits =>
  new ServerLimits({
    sockets: config.FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS * socketsPerConnection,
    socketsPerSecond: config.FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS * socketsPerConnection,
    requestsPerSecond: config.FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS,
  });

const SIGNAL_SERVICES = Symbol('signal services');

/** Starts and stops the gateway with the application. */
class GatewayHooks implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly gateway: Gateway) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.gateway.start();
  }

  onApplicationShutdown(): void {
    this.gateway.stop();
  }
}

function compose({ config, backplane, log }: SignalingGatewayOptions): {
  gateway: Gateway;
  services: SignalServices;
} {
  const { store, bus, events } = backplane;
  const gatewayId = newId('gateway');
  const table = new SessionTable();
  const streams = new RoomStreams(events);
  const memberships = new Memberships(bus, store.rooms, streams, config.FLOTILLA_MAX_ROOMS_PER_SESSION, log);
  const resumeWindowMs = config.FLOTILLA_RESUME_WINDOW_SECONDS * 1000;
  const cleanup = new SessionCleanup(store.sessions, resumeWindowMs, log);
  const lifecycle = new Lifecycle(
    table,
    cleanup,
    (session) => streams.detachAll(session),
    config.FLOTILLA_HEARTBEAT_SECONDS * 1000,
    log,
  );
  const messages = new UserMessages(
    gatewayId,
    table,
    store.sessions,
    events,
    new UserBytes(config.FLOTILLA_USER_BYTES_PER_SECOND),
    new FleetSessions(store.sessions, table),
    {
      onReplaced: (sessionId, resumeHash) => lifecycle.replaced(sessionId, resumeHash),
      onRevoked: (sessionId) => lifecycle.revoked(sessionId),
      onCutSocket: (sessionId) => table.get(sessionId)?.cut(),
    },
    log,
  );
  const verifier = new TokenVerifier(tokenSettings(config));
  const nodes = new NodeDirectory(store.nodes, log);
  const overload = new Overload(config.FLOTILLA_OVERLOAD_DELAY_MS);
  const edge = new Edge({
    trustedProxies: config.FLOTILLA_TRUSTED_PROXIES,
    allowPlain: config.FLOTILLA_ALLOW_PLAIN,
  });
  const connectionLimits = new ConnectionLimits({
    total: config.FLOTILLA_MAX_CONNECTIONS,
    perAddress: config.FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS,
    perAddressPerSecond: config.FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS,
    messagesPerAddressPerSecond: config.FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS,
  });
  const handshake = new Handshake(
    new UpgradeAuthenticator(verifier),
    new SessionAdmission(gatewayId, store.sessions, lifecycle, messages, nodes),
    connectionLimits,
    overload,
    edge,
    {
      allowedOrigins: config.FLOTILLA_ALLOWED_ORIGINS,
      allowedHosts: config.FLOTILLA_ALLOWED_HOSTS,
      requireClientTime: config.FLOTILLA_REQUIRE_CLIENT_TIME,
    },
  );
  const topology = new TopologyStream(store, log);
  const sizes = new RoomSizes(store.rooms, streams);
  const roomBytes = new RoomBytes(config.FLOTILLA_ROOM_BYTES_PER_SECOND);
  const roomEvents = new RoomEvents(config.FLOTILLA_ROOM_BYTES_PER_SECOND);
  const handlers = requestHandlers({
    rooms: new RoomRequests(backplane, memberships, streams, messages, lifecycle, log),
    memberships,
    nodes: new NodeRequests(bus),
    messages: new MessageRequests(backplane, messages, streams, sizes, roomBytes, config.FLOTILLA_MAX_MESSAGE_BYTES),
    migrations: new MigrationRequests(bus),
    negotiations: new Negotiations(store.rooms),
    metadata: new MetadataLinks(bus, store, log),
    tokens: new TokenRequests(verifier, store.sessions),
    topology,
    iceServers: new IceServers(config),
    changes: new RoomChanges(roomEvents, sizes),
  });
  const gateway = new Gateway(
    {
      table,
      heartbeat: new GatewayHeartbeat(gatewayId, table, store.sessions, log),
      lostSessions: new LostSessions(gatewayId, table, store.sessions, resumeWindowMs, log),
      messages,
      lifecycle,
      cleanup,
      streams,
      nodes,
      overload,
      topology,
      handshake,
    },
    config.FLOTILLA_DRAIN_SECONDS * 1000,
  );
  const services: SignalServices = {
    edge,
    handshake,
    lifecycle,
    cleanup,
    handlers,
    limits: {
      messagesPerSecond: config.FLOTILLA_MESSAGES_PER_SECOND,
      messageBurst: config.FLOTILLA_MESSAGES_PER_SECOND * 3,
      messageBytes: config.FLOTILLA_MAX_MESSAGE_BYTES,
      overload,
    },
    welcome: {
      resumeWindowSeconds: config.FLOTILLA_RESUME_WINDOW_SECONDS,
      heartbeatSeconds: config.FLOTILLA_HEARTBEAT_SECONDS,
    },
    drain: (handshakes) => gateway.drain(handshakes),
    log,
  };
  return { gateway, services };
}

/** Puts the WebSocket endpoint on the application's HTTP server. Call it before the application listens. */
export function useSignaling(app: INestApplication): void {
  app.useWebSocketAdapter(new SignalAdapter(app, app.get<SignalServices>(SIGNAL_SERVICES, { strict: false })));
}

/**
 * Limits what reaches the application's HTTP server before a session is admitted. Call it before the application listens.
 *
 * @param authenticate of `protectServer`, where the server has routes with credentials of their own
 */
export function protectSignaling(
  app: INestApplication,
  options: FirstBytesOptions,
  log: Logger,
  authenticate?: RequestLimitOptions['authenticate'],
): void {
  const { trusts, clientOf } = app.get(Edge, { strict: false });
  protectServer(app, {
    trusts,
    limits: app.get(ServerLimits, { strict: false }),
    log,
    readFirst: firstBytesOf(app.getHttpServer() as Server, options, trusts),
    senderOf,
    addressOf: (request) => clientOf(request).address,
    authenticate,
  });
}
