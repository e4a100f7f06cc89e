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
import type { GatewayConfig } from './config.ts';
import { Handshake } from './inbound/handshake.ts';
import { SignalHttpController } from './inbound/http.controller.ts';
import { SignalAdapter } from './inbound/signal.adapter.ts';
import { SIGNAL_CONTEXT, type SignalContext, SignalGateway } from './inbound/signal.gateway.ts';
import { NodeDirectory } from './node-directory.ts';
import { Memberships } from './rooms/memberships.ts';
import { Lifecycle } from './sessions/lifecycle.ts';
import { SessionTable } from './sessions/session-table.ts';

export interface SignalingGatewayOptions {
  readonly config: TokenConfig &
    Pick<GatewayConfig, 'FLOTILLA_ALLOWED_ORIGINS' | 'FLOTILLA_RESUME_WINDOW_SECONDS' | 'FLOTILLA_HEARTBEAT_SECONDS'>;
  readonly fleet: Fleet;
  readonly log: Logger;
}

/** The WSS front door. After the application is created, `useSignaling` opens it. */
@Module({})
export class SignalingGatewayModule {
  static register({ config, fleet, log }: SignalingGatewayOptions): DynamicModule {
    const { sessions, nodes } = fleet.store;
    const memberships = new Memberships(fleet.bus, sessions, log);
    const lifecycle = new Lifecycle(
      newId('gateway'),
      new SessionTable(),
      memberships,
      sessions,
      fleet.events,
      {
        resumeWindowMs: config.FLOTILLA_RESUME_WINDOW_SECONDS * 1000,
        heartbeatMs: config.FLOTILLA_HEARTBEAT_SECONDS * 1000,
      },
      log,
    );
    const verifier = new TokenVerifier(tokenSettings(config));
    const context: SignalContext = {
      fleet,
      lifecycle,
      memberships,
      nodes: new NodeDirectory(nodes, log),
      settings: {
        resumeWindowSeconds: config.FLOTILLA_RESUME_WINDOW_SECONDS,
        heartbeatSeconds: config.FLOTILLA_HEARTBEAT_SECONDS,
      },
      log,
    };
    return {
      module: SignalingGatewayModule,
      controllers: [SignalHttpController],
      providers: [
        SignalGateway,
        { provide: SIGNAL_CONTEXT, useValue: context },
        {
          provide: Handshake,
          useValue: new Handshake(
            new UpgradeAuthenticator(verifier),
            lifecycle,
            sessions,
            config.FLOTILLA_ALLOWED_ORIGINS,
          ),
        },
        { provide: FrontDoor, useValue: new FrontDoor(context) },
      ],
    };
  }
}

class FrontDoor implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly context: SignalContext) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.context.lifecycle.start();
    this.context.nodes.start();
  }

  onApplicationShutdown(): void {
    this.context.nodes.stop();
  }
}

/** Puts the WebSocket endpoint on the application's HTTP server. Call it before the application listens. */
export function useSignaling(app: INestApplication): void {
  const { lifecycle, log } = app.get<SignalContext>(SIGNAL_CONTEXT, { strict: false });
  app.useWebSocketAdapter(new SignalAdapter(app, app.get(Handshake, { strict: false }), lifecycle, log));
}
