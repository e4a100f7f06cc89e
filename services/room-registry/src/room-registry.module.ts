import { type TokenConfig, TokenIssuer, tokenSettings } from '@flotilla/auth';
import type { Serving } from '@flotilla/bus';
import type { Logger } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import {
  type DynamicModule,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { RegistryConfig } from './config.ts';
import { ApiAccess } from './inbound/api-access.ts';
import { serveRegistryCommands } from './inbound/commands.ts';
import { REST_SETTINGS, RestController, RestErrors, type RestSettings } from './inbound/rest.ts';
import { STORE_PROBLEM, type StoreProblem } from './inbound/outage.ts';
import { measureRest } from './inbound/rest-metrics.ts';
import { Migrations } from './migrations/migrations.ts';
import { Canary } from './canary.ts';
import { shadowEmptySeconds } from './mirror/shadow.ts';
import { Nodes } from './nodes.ts';
import { Operations } from './operations.ts';
import { Drills } from './drills.ts';
import { Revocations } from './revocations.ts';
import { Rooms } from './rooms.ts';
import { Sweeper } from './sweeper.ts';
import { TopologySnapshot } from './topology/topology-snapshot.ts';

export interface RoomRegistryOptions {
  readonly config: TokenConfig &
    Pick<RegistryConfig, 'FLOTILLA_RESUME_WINDOW_SECONDS' | 'FLOTILLA_REMOVE_DEAD_SECONDS' | 'FLOTILLA_SHADOW_OF'>;
  readonly access: ApiAccess;
  readonly backplane: Backplane;
  readonly log: Logger;
}

/** The room registry: the REST API, the commands of migrations and drills, and the sweeper. */
@Module({})
export class RoomRegistryModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(measureRest).forRoutes(RestController);
  }

  static register({ config, access, backplane, log }: RoomRegistryOptions): DynamicModule {
    const rest: RestSettings = { log };
    const storeProblem: StoreProblem = () => backplane.store.problem();
    const rooms = new Rooms(
      backplane.store.rooms,
      config.FLOTILLA_SHADOW_OF === undefined ? undefined : shadowEmptySeconds,
    );
    const migrations = new Migrations(backplane.bus, backplane.store, log);
    const nodes = new Nodes(backplane.store.nodes, backplane.bus);
    const drills = new Drills(rooms, migrations, nodes, backplane.store.sessions, backplane.events, log);
    return {
      module: RoomRegistryModule,
      controllers: [RestController],
      providers: [
        { provide: Rooms, useValue: rooms },
        { provide: Migrations, useValue: migrations },
        { provide: Nodes, useValue: nodes },
        { provide: Canary, useValue: new Canary(backplane.store.canary, log) },
        { provide: Drills, useValue: drills },
        { provide: Operations, useValue: new Operations(backplane.store, log) },
        { provide: Revocations, useValue: new Revocations(backplane.store.sessions) },
        { provide: TokenIssuer, useValue: new TokenIssuer(tokenSettings(config)) },
        { provide: REST_SETTINGS, useValue: rest },
        { provide: ApiAccess, useValue: access },
        { provide: TopologySnapshot, useValue: new TopologySnapshot(backplane.store, log) },
        { provide: STORE_PROBLEM, useValue: storeProblem },
        { provide: APP_FILTER, useClass: RestErrors },
        {
          provide: Registry,
          useValue: new Registry(
            () => serveRegistryCommands(backplane.bus, migrations, drills),
            new Sweeper(
              backplane.store,
              {
                resumeMs: config.FLOTILLA_RESUME_WINDOW_SECONDS * 1000,
                deadMs: config.FLOTILLA_REMOVE_DEAD_SECONDS * 1000,
              },
              log,
              { migrations: () => migrations.rollBackTimedOut() },
            ),
          ),
        },
      ],
    };
  }
}

class Registry implements OnApplicationBootstrap, OnApplicationShutdown {
  #serving: Serving | undefined;

  constructor(
    private readonly serve: () => Promise<Serving>,
    private readonly sweeper: Sweeper,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.#serving = await this.serve();
    this.sweeper.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.sweeper.stop();
    await this.#serving?.close();
  }
}
