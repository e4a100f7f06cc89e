import type { ScaledNode } from '../scaling/scaled-node.ts';

/** Why the peers of a pod are moved to others: there are too many pods, or its machine is about to be removed. */
export type Mark = 'scale-in' | 'machine';

/** A pod of the workload, with the SFU node in it. */
export interface PodState {
  readonly name: string;
  readonly ready: boolean;
  /** It is being deleted, and does not count as a replica. */
  readonly terminating: boolean;
  /** Whether its machine is about to be removed, see `isLeaving`. */
  readonly machineLeaves: boolean;
  readonly mark: Mark | undefined;
  /** Since when it has its mark, as far as this instance saw, in milliseconds. */
  readonly markedForMs: number;
  /** Kubernetes removes the pod with the lowest first, none counts as 0. Undefined: it has none. */
  readonly deletionCost: number | undefined;
  /** Whether its deletion cost was written a while ago, so that it may follow the sessions. */
  readonly mayFollow: boolean;
  /** Undefined until the SFU node reports. */
  readonly node: Pick<ScaledNode, 'id' | 'state' | 'reserved' | 'isHeldBack'> | undefined;
}

export interface WorkloadState {
  /** `spec.replicas` of the Deployment. */
  readonly replicas: number;
  /** `status.replicas` of the Deployment. */
  readonly existing: number;
  /** Pods of two versions, or a change that Kubernetes has not seen yet. */
  readonly isRollingOut: boolean;
  /** An operator stopped the rollout between two versions (`kubectl rollout pause`). */
  readonly isRolloutPaused: boolean;
  /** Scaling is paused. */
  readonly isPaused: boolean;
}

export interface ReplicaBounds {
  readonly max: number;
  /** After this time a pod is removed though it has sessions left: its own drain moves them, or they open their media again. */
  readonly emptyWithinMs: number;
}

/**
 * The changes that one reconciliation makes. A pod's annotations are set before its replica is taken away, and its mark is removed after
 * its state was set: from then on the node refuses the late orders of previous leaders.
 */
export interface Reconciliation {
  readonly marks: readonly {
    readonly pod: string;
    readonly mark: Mark | undefined;
    readonly deletionCost: number | undefined;
  }[];
  readonly states: readonly { readonly nodeId: string; readonly state: 'active' | 'cordoned' }[];
  readonly replicas: number | undefined;
  readonly outcome: ScalingOutcome;
  /** The pod that is emptied or removed. */
  readonly victim: PodState | undefined;
}

/** Deletion cost of the pod that is removed next. */
export const removedFirst = -1000;

export type ScalingOutcome = 'Paused' | 'RollingOut' | 'ScalingOut' | 'ScalingIn' | 'Steady';

/**
 * One step from the present to the wanted number of serving pods. A pure function, and level-based: the next step sees what was not
 * done, or was done twice. Pods are removed one at a time, after their peers have moved.
 *
 * @param wanted number of pods that take participants. Those that do not, because their machine is about to be removed, an operator
 * cordoned them or a canary holds their version back, are replaced first; held back ones only where that adds pods that serve.
 */
export function reconcile(
  workload: WorkloadState,
  pods: readonly PodState[],
  wanted: number,
  bounds: ReplicaBounds,
): Reconciliation {
  const live = pods.filter(({ terminating }) => !terminating);
  const away = live.filter(isAwayWhere(replacesHeldBack(workload, live)));
  const target = workload.isPaused ? workload.replicas : Math.min(bounds.max, wanted + away.length);
  const surplus = workload.isPaused || workload.isRollingOut ? 0 : live.length - target;
  const victim = surplus > 0 ? victimOf(live, away) : undefined;
  const isEmpty = victim !== undefined && isEmptied(victim, bounds);
  // Without a pod that takes participants in their place, those that leave take them on.
  const areReplaced = live.some((pod) => pod !== victim && !pod.machineLeaves && takesParticipants(pod));
  return {
    marks: live.flatMap((pod) => markOf(pod, pod === victim, pod === victim && isEmpty)),
    states: live.flatMap((pod) => {
      const leaves = pod.machineLeaves || pod === victim;
      return stateOf(pod, areReplaced && leaves, !leaves);
    }),
    replicas: replicasOf(workload, live, target, surplus, isEmpty),
    outcome: outcomeOf(workload, live.length, target),
    victim,
  };
}

/**
 * Whether a pod takes no participants for another reason than scaling in: its machine is about to be removed, an operator cordoned it,
 * or a canary holds its version back and another pod may serve in its place.
 */
const isAwayWhere =
  (areHeldBackReplaced: boolean) =>
  ({ machineLeaves, mark, node }: PodState): boolean =>
    machineLeaves ||
    (mark === undefined && node !== undefined && (node.state !== 'active' || (node.isHeldBack && areHeldBackReplaced)));

/**
 * Whether a further pod serves in the place of one that is held back. Kubernetes adds pods to the version that has the most. While a
 * rollout goes on, none is added: it replaces those that are held back, or is about to replace all others by them, and it does not end
 * while a further pod finds no machine.
 */
function replacesHeldBack({ isRollingOut, isRolloutPaused }: WorkloadState, live: readonly PodState[]): boolean {
  const nodes = live.flatMap(({ node }) => node ?? []);
  const heldBack = nodes.filter(({ isHeldBack }) => isHeldBack).length;
  return (!isRollingOut || isRolloutPaused) && heldBack < nodes.length - heldBack;
}

const takesParticipants = ({ node }: PodState): boolean => node?.state === 'active' && !node.isHeldBack;

/** Whether a pod has no sessions and is not ready: Kubernetes removes it before a ready one. */
const isIdle = ({ ready, node }: PodState): boolean => !ready && (node?.reserved ?? 0) === 0;

/**
 * The pod to empty: the one that is being emptied already, else the one with the fewest sessions. No pod that serves while another is
 * not ready: too few would serve, and Kubernetes removes pods that are not ready first, whatever their deletion cost.
 */
function victimOf(live: readonly PodState[], away: readonly PodState[]): PodState | undefined {
  const begun = live.find(({ mark }) => mark === 'scale-in');
  const areAllReady = live.every(({ ready, node }) => ready && node);
  if (begun && (areAllReady || begun.node?.state !== 'active')) return begun;
  if (!areAllReady) return undefined;
  return live
    .filter((pod) => !away.includes(pod))
    .toSorted((a, b) => a.node!.reserved - b.node!.reserved || (a.name < b.name ? -1 : 1))[0];
}

const isEmptied = (pod: PodState, { emptyWithinMs }: ReplicaBounds): boolean =>
  pod.mark === 'scale-in' &&
  (pod.node === undefined || (!takesParticipants(pod) && pod.node.reserved === 0) || pod.markedForMs >= emptyWithinMs);

function markOf(pod: PodState, isVictim: boolean, isRemoved: boolean): Reconciliation['marks'] {
  const mark = isVictim ? 'scale-in' : pod.machineLeaves ? 'machine' : undefined;
  // The mark shows that the autoscaler, and not an operator, set the cordon. It stays until the node takes participants again.
  if (mark === undefined && pod.node?.state === 'cordoned') return [];
  const deletionCost = isRemoved ? removedFirst : costOf(pod);
  return mark === pod.mark && deletionCost === pod.deletionCost ? [] : [{ pod: pod.name, mark, deletionCost }];
}

/**
 * The number of binary digits of its sessions, none without sessions: a rollout that needs no pod more than there are replaces the
 * emptiest first, so that those whom it moves to pods of the old version, which it moves again, are few. To keep writes few it changes
 * between none and some, and by a factor of four at least.
 */
function costOf({ node, deletionCost, mayFollow }: PodState): number | undefined {
  if (deletionCost === removedFirst) return undefined;
  if (!node || !mayFollow) return deletionCost;
  const cost = node.reserved > 0 ? Math.floor(Math.log2(node.reserved)) + 1 : undefined;
  return cost !== undefined && deletionCost !== undefined && Math.abs(cost - deletionCost) < 2 ? deletionCost : cost;
}

function stateOf({ mark, node }: PodState, isCordoned: boolean, isNeeded: boolean): Reconciliation['states'] {
  if (mark === undefined || !node) return [];
  if (isCordoned && node.state === 'active') return [{ nodeId: node.id, state: 'cordoned' }];
  const isToServe = node.state === 'cordoned' || (node.state === 'active' && isNeeded);
  return !isCordoned && isToServe ? [{ nodeId: node.id, state: 'active' }] : [];
}

function replicasOf(
  { replicas, existing }: WorkloadState,
  live: readonly PodState[],
  target: number,
  surplus: number,
  isEmpty: boolean,
): number | undefined {
  if (target > replicas) return target;
  if (surplus <= 0) return target < replicas && live.length <= target && existing <= target ? target : undefined;
  const idle = live.filter(isIdle).length;
  // Kubernetes removes pods that are not ready first: as many as have no peers may go at once.
  const areOthersReady = live.every((pod) => pod.ready || isIdle(pod));
  if (!areOthersReady) return undefined;
  const fewer = live.length - (idle > 0 ? Math.min(surplus, idle) : isEmpty ? 1 : 0);
  return fewer < replicas ? fewer : undefined;
}

function outcomeOf({ isPaused, isRollingOut, replicas }: WorkloadState, live: number, target: number): ScalingOutcome {
  if (isPaused) return 'Paused';
  if (target > replicas || live < target) return 'ScalingOut';
  if (live > target) return isRollingOut ? 'RollingOut' : 'ScalingIn';
  return 'Steady';
}
