import type { V1Node, V1Taint, V1Toleration } from '@kubernetes/client-node';

/** Set by Kubernetes on machines that failed. The failure detection moves the peers of their pods. */
const failures = new Set(['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']);

/** Taints that announce the end of a machine without evicting its pods yet. */
const announcements = new Set([
  'ToBeDeletedByClusterAutoscaler',
  'karpenter.sh/disrupted',
  'node.kubernetes.io/out-of-service',
  'node.cloudprovider.kubernetes.io/shutdown',
  'cloud.google.com/impending-node-termination',
  'aws-node-termination-handler/spot-itn',
  'aws-node-termination-handler/scheduled-maintenance',
  'aws-node-termination-handler/asg-lifecycle-termination',
  'aws-node-termination-handler/rebalance-recommendation',
]);

/**
 * Whether a machine is about to lose a pod with these tolerations: it is cordoned (`kubectl drain`), being deleted, or tainted by a
 * spot notice, a cluster autoscaler, or another program that evicts its pods.
 */
export function isLeaving(machine: V1Node, tolerations: readonly V1Toleration[] = []): boolean {
  if (machine.metadata?.deletionTimestamp || machine.spec?.unschedulable) return true;
  return (machine.spec?.taints ?? []).some((taint) => {
    if (failures.has(taint.key)) return false;
    if (announcements.has(taint.key)) return true;
    return taint.effect === 'NoExecute' && !tolerations.some((toleration) => toleratesForGood(toleration, taint));
  });
}

function toleratesForGood(toleration: V1Toleration, taint: V1Taint): boolean {
  if (toleration.tolerationSeconds !== undefined) return false;
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.operator === 'Exists') return !toleration.key || toleration.key === taint.key;
  return toleration.key === taint.key && (toleration.value ?? '') === (taint.value ?? '');
}
