import { setTimeout as pause } from 'node:timers/promises';
import type { StreamSubscription } from '@flotilla/bus';
import type { Logger } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import { plannerLease } from '@flotilla/store';
import { type DynamicModule, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Canary } from './canary/canary.ts';
import type { CanarySettings } from './canary/settings.ts';
import { Autoscaler, checkEveryMs } from './autoscaler.ts';
import { FleetView } from './fleet-view.ts';
import { Heartbeats } from './heartbeats.ts';
import { subscribeToStats } from './inbound/stats.ts';
import { KubernetesScaling } from './kubernetes/kubernetes-scaling.ts';
import type { Workload } from './kubernetes/api.ts';
import { Leadership } from './leadership.ts';
import { MigrationDispatcher } from './migration-dispatcher.ts';
import { pingNode, LivenessProbe } from './liveness-probe.ts';
import { ScalingRecords } from './scaling/records.ts';
import { decideEveryMs, Scaler } from './scaling/scaler.ts';
import type { ScalingSettings } from './scaling/settings.ts';

export interface AutoscalerOptions {
  readonly backplane: Backplane;
  readonly log: Logger;
  /** Default: the number of SFU nodes is not decided. */
  readonly scaling?: ScalingOptions;
  /** Default: versions of nodes do not count. */
  readonly canary?: CanarySettings | undefined;
}

export interface ScalingOptions {
  readonly settings: ScalingSettings;
  /** The Deployment whose number of pods is set. Without it, the number is only exported. */
  readonly workload?: Workload | undefined;
  /** Also moves the peers of pods whose machine is about to be removed. */
  readonly watchMachines: boolean;
  /** Serves what the function returns as JSON. */
  readonly serve: (path: string, answer: () => unknown) => void;
}

/** Longest wait for requests to the API server at a stop, less than FLOTILLA_SHUTDOWN_SECONDS of the chart. Leases expire without it. */
const scalingStopMs = 3000;

/** Watches all SFU nodes. The leader moves peers off nodes that are lost, draining or hot, and moves degraded peers. */
@Module({})
export class AutoscalerModule {
  static register({ backplane, log, scaling, canary }: AutoscalerOptions): DynamicModule {
    return {
      module: AutoscalerModule,
      providers: [
        {
          provide: AutoscalerLifecycle,
          useFactory: () => new AutoscalerLifecycle(backplane, log, scaling, canary),
        },
      ],
    };
  }
}

class AutoscalerLifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #leadership: Leadership;
  readonly #dispatcher: MigrationDispatcher;
  readonly #autoscaler: Autoscaler;
  readonly #scaler: Scaler | undefined;
  readonly #kubernetes: KubernetesScaling | undefined;
  #subscription: StreamSubscription | undefined;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly backplane: Backplane,
    log: Logger,
    private readonly scaling: ScalingOptions | undefined,
    canary: CanarySettings | undefined,
  ) {
    const { bus, store } = backplane;
    const view = new FleetView();
    const leadership = new Leadership(store.leases, plannerLease, log);
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
      livenessProbe: new LivenessProbe((nodeId) => pingNode(bus, nodeId, view.addressOf(nodeId))),
      leadership,
      dispatcher: this.#dispatcher,
      nodes: store.nodes,
      migrations: store.migrations,
      leaving: () => this.#kubernetes?.leaving ?? new Set(),
      canary: canary && new Canary(store.canary, store.history, canary, log),
      removeCanary: (term) => store.canary.remove(term),
      log,
    });
    if (!scaling) return;
    const { settings, workload, watchMachines } = scaling;
    if (workload)
      this.#kubernetes = new KubernetesScaling({ workload, maxReplicas: settings.max, watchMachines, bus, log });
    this.#scaler = new Scaler({
      nodes: store.nodes,
      canary: canary && store.canary,
      settings,
      records: new ScalingRecords(store.operations, log),
      target: this.#kubernetes,
      leads: () => (this.#kubernetes ?? leadership).leads,
      isFrozen: () => this.#autoscaler.isFrozen,
      log,
    });
  }

  /** Every instance subscribes to the reports, so that a new leader has the state of the fleet at once. */
  async onApplicationBootstrap(): Promise<void> {
    this.#subscription = await subscribeToStats(this.backplane.events, (reports) => this.#autoscaler.receive(reports));
    this.#leadership.start();
    this.#timers.push(setInterval(() => void this.#autoscaler.check(), checkEveryMs));
    const scaler = this.#scaler;
    if (!scaler) return;
    this.#kubernetes?.start();
    this.#timers.push(setInterval(() => void scaler.decide(), decideEveryMs));
    this.scaling?.serve('/scaling', () => scaler.status);
  }

  async onApplicationShutdown(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    try {
      this.#subscription?.stop();
      await this.#autoscaler.settled();
      await this.#dispatcher.stop();
      await this.#leadership.stop();
    } finally {
      await this.#stopScaling();
    }
  }

  /** Last and with a deadline: the planner's lease is released also when the API server does not answer. */
  async #stopScaling(): Promise<void> {
    const stopped = (async () => {
      await this.#scaler?.settled();
      await this.#kubernetes?.stop();
    })();
    await Promise.race([stopped, pause(scalingStopMs, undefined, { ref: false })]);
  }
}
