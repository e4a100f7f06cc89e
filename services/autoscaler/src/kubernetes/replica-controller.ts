import type { CommandBus } from '@flotilla/bus';
import { sfuQueue } from '@flotilla/contracts';
import { counter, gauge, type Logger } from '@flotilla/runtime';
import type { V1Deployment, V1Pod } from '@kubernetes/client-node';
import type { Leadership } from '../leadership.ts';
import type { ScalingDecision, ScalingTarget } from '../scaling/decision.ts';
import type { ScaledNode } from '../scaling/scaled-node.ts';
import type { KubernetesApi } from './api.ts';
import { isLeaving } from './machines.ts';
import {
  type Mark,
  type PodState,
  reconcile,
  type Reconciliation,
  removedFirst,
  type ReplicaBounds,
} from './reconcile.ts';
import { ScalingReport } from './report.ts';
import type { Watches } from './watches.ts';

/** On a pod whose peers are moved to others. It shows that the autoscaler, and not an operator, cordoned its SFU node. */
const markAnnotation = 'flotilla/leaving';
/** On the Deployment: with the value `paused`, the number of pods stays as it is. */
const scalingAnnotation = 'flotilla/scaling';
/** Kubernetes removes the pods of a ReplicaSet with the lowest cost first. */
const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
/** Interval between two changes of a pod's deletion cost with its sessions. */
const costEveryMs = 5000;
const cordonTimeoutMs = 2000;

const leaderGauge = gauge({ name: 'autoscaler_scaling_leader', help: '1 while this instance scales, else 0.' });
const replicasGauge = gauge({
  name: 'autoscaler_replicas',
  help: 'SFU pods that the Deployment has. 0 while this instance does not scale.',
});
const scalings = counter({
  name: 'autoscaler_scalings_total',
  help: 'Changes of the number of SFU pods, by direction: out, in.',
  labelNames: ['direction'],
});

export interface ReplicaControllerParts {
  readonly api: KubernetesApi;
  readonly watches: Watches;
  readonly leadership: Pick<Leadership, 'leads' | 'term'>;
  readonly bus: Pick<CommandBus, 'call'>;
  readonly bounds: ReplicaBounds;
  readonly log: Logger;
  readonly now?: () => number;
}

/** Sets the number of SFU pods through the scale subresource of their Deployment, and moves the peers off pods that are to be removed. */
export class ReplicaController {
  readonly #now: () => number;
  readonly #report: ScalingReport;
  /** When each mark was first seen, by pod. */
  readonly #markedAt = new Map<string, number>();
  /** When each pod's deletion cost was written, by pod. */
  readonly #costAt = new Map<string, number>();
  /** Pods whose last annotation failed, which was logged. */
  readonly #refused = new Set<string>();

  constructor(private readonly parts: ReplicaControllerParts) {
    this.#now = parts.now ?? (() => performance.now());
    this.#report = new ScalingReport(parts.api, parts.log);
  }

  /** The present number of pods; undefined when the Deployment is unknown. */
  get replicas(): number | undefined {
    return this.parts.watches.deployment?.spec?.replicas;
  }

  /** Names of the pods whose peers are to be moved. Every instance has them, because the planner may lead in another one. */
  get leaving(): ReadonlySet<string> {
    return new Set(this.parts.watches.pods.flatMap((pod) => (markOf(pod) ? [pod.metadata?.name ?? ''] : [])));
  }

  /** Takes one step towards a decision. Does nothing unless this instance leads. */
  async apply(decision: ScalingDecision, nodes: readonly ScaledNode[]): Promise<void> {
    const { watches, leadership, bounds } = this.parts;
    const { leads, term } = leadership;
    leaderGauge.set(leads ? 1 : 0);
    if (!leads) replicasGauge.set(0);
    const { deployment } = watches;
    if (!leads || !deployment) return;
    const pods = this.#podStates(nodes);
    replicasGauge.set(pods.filter(({ terminating }) => !terminating).length);
    const step = reconcile(workloadState(deployment), pods, decision.nodes, bounds);
    const unchanged = await this.#setStates(step, term);
    const unwritten = await this.#mark(step, pods, unchanged);
    if (isOut(step, deployment) || !choosesVictim(unwritten, step, pods))
      await this.#scale(deployment, step.replicas, decision);
    if (leadership.leads) await this.#report.condition(step, decision, deployment);
  }

  /** Raises the number of pods to a minimum. Does nothing unless this instance leads, or while scaling is paused. */
  async raise(minimum: number): Promise<void> {
    const { watches, leadership } = this.parts;
    const { deployment } = watches;
    leaderGauge.set(leadership.leads ? 1 : 0);
    if (!leadership.leads || !deployment) return;
    const { replicas, isPaused } = workloadState(deployment);
    if (isPaused || replicas >= minimum) return;
    await this.#scale(deployment, minimum, { nodes: minimum, cause: 'minimum', growth: 0, expectedSessions: 0 });
  }

  #podStates(nodes: readonly ScaledNode[]): PodState[] {
    const { watches } = this.parts;
    const { machines } = watches;
    const byInstance = new Map(nodes.flatMap((node) => (node.alive && node.instance ? [[node.instance, node]] : [])));
    const now = this.#now();
    const states = watches.pods.map((pod): PodState => {
      const name = pod.metadata?.name ?? '';
      const mark = markOf(pod);
      const machine = machines.get(pod.spec?.nodeName ?? '');
      if (mark) this.#markedAt.set(name, this.#markedAt.get(name) ?? now);
      else this.#markedAt.delete(name);
      return {
        name,
        ready: pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
        terminating: pod.metadata?.deletionTimestamp !== undefined,
        machineLeaves: machine !== undefined && isLeaving(machine, pod.spec?.tolerations),
        mark,
        markedForMs: now - (this.#markedAt.get(name) ?? now),
        deletionCost: deletionCostOf(pod),
        mayFollow: now - (this.#costAt.get(name) ?? -Infinity) >= costEveryMs,
        node: byInstance.get(name),
      };
    });
    const names = new Set(states.map(({ name }) => name));
    for (const known of [this.#markedAt, this.#costAt, this.#refused])
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    return states;
  }

  /**
   * Marks pods, but keeps the marks of those whose node has not taken its state. What fails is repeated by the next step, and hinders no
   * other pod. Returns the pods whose marks are not written.
   */
  async #mark(
    step: Reconciliation,
    pods: readonly PodState[],
    unchanged: ReadonlySet<string>,
  ): Promise<ReadonlySet<string>> {
    const { api, leadership, log } = this.parts;
    const unwritten = new Set(step.marks.map(({ pod }) => pod));
    for (const { pod, mark, deletionCost } of step.marks) {
      if (!leadership.leads) break;
      const { mark: before, node } = pods.find(({ name }) => name === pod)!;
      if (mark === undefined && unchanged.has(node?.id ?? '')) continue;
      this.#costAt.set(pod, this.#now());
      const annotations = {
        [markAnnotation]: mark ?? null,
        [costAnnotation]: deletionCost === undefined ? null : String(deletionCost),
      };
      const isWritten = await api.annotatePod(pod, annotations).catch((error: unknown) => this.#notWritten(pod, error));
      if (!isWritten) continue;
      this.#refused.delete(pod);
      unwritten.delete(pod);
      if (mark !== before)
        log.info({ pod, reason: mark ?? before }, mark ? 'moving the peers of a pod' : 'keeping a pod');
    }
    return unwritten;
  }

  /** Warns once per pod, until its annotations can be written. */
  #notWritten(pod: string, error: unknown): false {
    const { log } = this.parts;
    if (this.#refused.has(pod)) log.debug({ err: error, pod }, 'annotations of a pod not written again');
    else log.warn({ err: error, pod }, 'annotations of a pod not written, they are repeated until they are');
    this.#refused.add(pod);
    return false;
  }

  /** Sets the states of the nodes in pods. What fails is repeated by the next step. Returns the nodes whose states are not set. */
  async #setStates(step: Reconciliation, term: number | undefined): Promise<ReadonlySet<string>> {
    const { bus, leadership, log } = this.parts;
    const unchanged = new Set(step.states.map(({ nodeId }) => nodeId));
    for (const { nodeId, state } of step.states) {
      if (!leadership.leads) break;
      await bus.call(sfuQueue(nodeId), 'sfu.cordon', { state, term }, { timeoutMs: cordonTimeoutMs }).then(
        () => unchanged.delete(nodeId),
        (error: unknown) => log.debug({ err: error, nodeId, state }, 'state of an SFU node not set'),
      );
    }
    return unchanged;
  }

  async #scale(deployment: V1Deployment, replicas: number | undefined, decision: ScalingTarget): Promise<void> {
    const { api, leadership, log } = this.parts;
    if (replicas === undefined || !leadership.leads) return;
    const before = deployment.spec?.replicas ?? 1;
    // The Deployment has changed since it was observed: the next step decides from what it is by then.
    if (!(await api.scale(replicas, deployment.metadata?.resourceVersion))) {
      log.debug({ from: before, to: replicas }, 'SFU pods not scaled, the Deployment has changed');
      return;
    }
    const direction = replicas > before ? 'out' : 'in';
    scalings.inc({ direction });
    const { cause, growth, expectedSessions } = decision;
    log.info({ from: before, to: replicas, cause, growth, expectedSessions }, 'SFU pods scaled');
    await this.#report.scaled(deployment, before, replicas, decision);
  }
}

const isOut = ({ replicas = 0 }: Reconciliation, { spec }: V1Deployment): boolean => replicas > (spec?.replicas ?? 1);

/** Whether one of these pods is the one to remove, or one that Kubernetes would remove in its place. */
const choosesVictim = (names: ReadonlySet<string>, { victim }: Reconciliation, pods: readonly PodState[]): boolean =>
  pods.some(({ name, deletionCost }) => names.has(name) && (name === victim?.name || deletionCost === removedFirst));

function markOf({ metadata }: V1Pod): Mark | undefined {
  const mark = metadata?.annotations?.[markAnnotation];
  return mark === 'scale-in' || mark === 'machine' ? mark : undefined;
}

function deletionCostOf({ metadata }: V1Pod): number | undefined {
  const cost = Number(metadata?.annotations?.[costAnnotation] ?? NaN);
  return Number.isInteger(cost) ? cost : undefined;
}

function workloadState({ metadata, spec, status }: V1Deployment) {
  const existing = status?.replicas ?? 0;
  return {
    replicas: spec?.replicas ?? 1,
    existing,
    isRollingOut:
      (status?.observedGeneration ?? 0) < (metadata?.generation ?? 0) || (status?.updatedReplicas ?? 0) !== existing,
    isRolloutPaused: spec?.paused === true,
    isPaused: metadata?.annotations?.[scalingAnnotation] === 'paused',
  };
}
