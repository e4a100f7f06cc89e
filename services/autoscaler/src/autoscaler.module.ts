import type { StreamSubscription } from '@flotilla/bus';
import type { Logger } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import { type DynamicModule, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Autoscaler, lookEveryMs } from './autoscaler.ts';
import { FleetView } from './fleet-view.ts';
import { Heartbeats } from './heartbeats.ts';
import { followStats } from './inbound/stats.ts';
import { Leadership } from './leadership.ts';
import { MigrationDispatcher } from './migration-dispatcher.ts';
import { pingNode, LivenessProbe } from './liveness-probe.ts';

export interface AutoscalerOptions {
  readonly backplane: Backplane;
  readonly log: Logger;
}

/** Watches all nodes and, as the leader, moves peers off those that are lost, drained, hot or bad for them. */
@Module({})
export class AutoscalerModule {
  static register({ backplane, log }: AutoscalerOptions): DynamicModule {
    return {
      module: AutoscalerModule,
      providers: [{ provide: Watch, useFactory: () => new Watch(backplane, log) }],
    };
  }
}

class Watch implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #leadership: Leadership;
  readonly #mover: MigrationDispatcher;
  readonly #autoscaler: Autoscaler;
  #following: StreamSubscription | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly backplane: Backplane,
    log: Logger,
  ) {
    const { bus, store } = backplane;
    const view = new FleetView();
    const leadership = new Leadership(store.leases, 'autoscaler', log);
    this.#leadership = leadership;
    this.#mover = new MigrationDispatcher({
      bus,
      mayAct: () => leadership.leads,
      onGone: (migration) => view.forgetPeer(migration),
      log,
    });
    this.#autoscaler = new Autoscaler({
      view,
      heartbeats: new Heartbeats(performance.now()),
      livenessProbe: new LivenessProbe((nodeId) => pingNode(bus, nodeId)),
      leadership,
      mover: this.#mover,
      nodes: store.nodes,
      migrations: store.migrations,
      log,
    });
  }

  /** Everybody follows the reports, so that whoever comes to lead knows the fleet already. */
  async onApplicationBootstrap(): Promise<void> {
    this.#following = await followStats(this.backplane.events, (reports) => this.#autoscaler.heard(reports));
    this.#leadership.start();
    this.#timer = setInterval(() => void this.#autoscaler.look(), lookEveryMs);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    this.#following?.stop();
    await this.#autoscaler.quiet();
    await this.#mover.stop();
    await this.#leadership.stop();
  }
}
