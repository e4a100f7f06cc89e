import type { StreamSubscription } from '@flotilla/bus';
import type { Logger } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import { type DynamicModule, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Autoscaler, checkEveryMs } from './autoscaler.ts';
import { FleetView } from './fleet-view.ts';
import { Heartbeats } from './heartbeats.ts';
import { subscribeToStats } from './inbound/stats.ts';
import { Leadership } from './leadership.ts';
import { MigrationDispatcher } from './migration-dispatcher.ts';
import { pingNode, LivenessProbe } from './liveness-probe.ts';

export interface AutoscalerOptions {
  readonly backplane: Backplane;
  readonly log: Logger;
}

/** Watches all SFU nodes. The leader moves peers off nodes that are lost, draining or hot, and moves degraded peers. */
@Module({})
export class AutoscalerModule {
  static register({ backplane, log }: AutoscalerOptions): DynamicModule {
    return {
      module: AutoscalerModule,
      providers: [{ provide: AutoscalerLifecycle, useFactory: () => new AutoscalerLifecycle(backplane, log) }],
    };
  }
}

class AutoscalerLifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #leadership: Leadership;
  readonly #dispatcher: MigrationDispatcher;
  readonly #autoscaler: Autoscaler;
  #subscription: StreamSubscription | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly backplane: Backplane,
    log: Logger,
  ) {
    const { bus, store } = backplane;
    const view = new FleetView();
    const leadership = new Leadership(store.leases, 'autoscaler', log);
    this.#leadership = leadership;
    this.#dispatcher = new MigrationDispatcher({
      bus,
      mayAct: () => leadership.leads,
      onRemoved: (migration) => view.forgetPeer(migration),
      log,
    });
    this.#autoscaler = new Autoscaler({
      view,
      heartbeats: new Heartbeats(performance.now()),
      livenessProbe: new LivenessProbe((nodeId) => pingNode(bus, nodeId)),
      leadership,
      dispatcher: this.#dispatcher,
      nodes: store.nodes,
      migrations: store.migrations,
      log,
    });
  }

  /** Every instance subscribes to the reports, so that a new leader has the state of the fleet at once. */
  async onApplicationBootstrap(): Promise<void> {
    this.#subscription = await subscribeToStats(this.backplane.events, (reports) => this.#autoscaler.receive(reports));
    this.#leadership.start();
    this.#timer = setInterval(() => void this.#autoscaler.check(), checkEveryMs);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    this.#subscription?.stop();
    await this.#autoscaler.settled();
    await this.#dispatcher.stop();
    await this.#leadership.stop();
  }
}
