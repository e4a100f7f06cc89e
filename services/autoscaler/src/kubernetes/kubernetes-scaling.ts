import { setTimeout as pause } from 'node:timers/promises';
import type { CommandBus } from '@flotilla/bus';
import { gauge, type Logger } from '@flotilla/runtime';
import { Leadership } from '../leadership.ts';
import type { ScalingDecision } from '../scaling/decision.ts';
import type { ScaledNode } from '../scaling/scaled-node.ts';
import type { ScaleTarget } from '../scaling/scaler.ts';
import { KubernetesApi, type Workload } from './api.ts';
import { KubernetesLeases, kubernetesTiming } from './lease.ts';
import { ReplicaController } from './replica-controller.ts';
import { Watches } from './watches.ts';

/** Time after which a pod is removed although it has sessions left, in milliseconds: clients may ignore the request to move. */
const emptyWithinMs = 300_000;
const connectEveryMs = 2000;

const enabledGauge = gauge({
  name: 'autoscaler_scaling_enabled',
  help: '1 in instances that are to scale the SFU pods of a Deployment, whether they lead or not, else 0.',
});

export interface KubernetesScalingOptions {
  readonly workload: Workload;
  readonly maxReplicas: number;
  /** Also moves the peers of pods whose machine is about to be removed. */
  readonly watchMachines: boolean;
  readonly bus: Pick<CommandBus, 'call'>;
  readonly log: Logger;
}

interface Connected {
  readonly watches: Watches;
  readonly leadership: Leadership;
  readonly controller: ReplicaController;
}

/**
 * Scaling on Kubernetes. Its leader is elected by a Lease of Kubernetes and not by the planner's: without the API server nothing can be
 * scaled, and peers are moved as before.
 */
export class KubernetesScaling implements ScaleTarget {
  readonly #stop = new AbortController();
  #connected: Connected | undefined;
  #connecting: Promise<void> | undefined;

  constructor(private readonly options: KubernetesScalingOptions) {}

  /** Connects in the background, until it succeeds: failure detection starts without the API server. */
  start(): void {
    enabledGauge.set(1);
    this.#connecting = this.#connect();
  }

  async #connect(): Promise<void> {
    const { log, workload } = this.options;
    let hasFailed = false;
    while (!this.#stop.signal.aborted) {
      try {
        this.#connected = await this.#open();
        log.info({ ...workload }, 'connected to Kubernetes');
        return;
      } catch (error) {
        if (!hasFailed)
          log.warn({ err: error, ...workload }, 'Kubernetes not reachable or not permitted, trying again');
        hasFailed = true;
      }
      await pause(connectEveryMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  async #open(): Promise<Connected> {
    const { workload, watchMachines, maxReplicas, bus, log } = this.options;
    const api = await KubernetesApi.connect(workload);
    const watches = await Watches.start(api, watchMachines, log);
    const lease = `${workload.name}-scaling`;
    const leadership = new Leadership(new KubernetesLeases(api, log), lease, log, undefined, kubernetesTiming);
    leadership.start();
    const bounds = { max: maxReplicas, emptyWithinMs };
    const controller = new ReplicaController({ api, watches, leadership, bus, bounds, log });
    return { watches, leadership, controller };
  }

  /** Whether this instance scales. */
  get leads(): boolean {
    return this.#connected?.leadership.leads ?? false;
  }

  get replicas(): number | undefined {
    return this.#connected?.controller.replicas;
  }

  /** Names of the pods whose peers are to be moved to others. */
  get leaving(): ReadonlySet<string> {
    return this.#connected?.controller.leaving ?? new Set();
  }

  async apply(decision: ScalingDecision, nodes: readonly ScaledNode[]): Promise<void> {
    await this.#connected?.controller.apply(decision, nodes);
  }

  async raise(minimum: number): Promise<void> {
    await this.#connected?.controller.raise(minimum);
  }

  async stop(): Promise<void> {
    enabledGauge.set(0);
    this.#stop.abort();
    await this.#connecting;
    await this.#connected?.leadership.stop();
    await this.#connected?.watches.stop();
  }
}
