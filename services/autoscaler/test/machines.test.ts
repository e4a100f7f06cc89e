import type { V1Node, V1Taint } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { isLeaving } from '../src/kubernetes/machines.ts';

const machine = (spec: NonNullable<V1Node['spec']>, metadata: NonNullable<V1Node['metadata']> = {}): V1Node => ({
  metadata,
  spec,
});
const tainted = (key: string, effect: V1Taint['effect'], value?: string): V1Node =>
  machine({ taints: [{ key, effect, ...(value !== undefined && { value }) }] });

describe('a machine', () => {
  test.each([
    ['cordoned', machine({ unschedulable: true })],
    ['being deleted', machine({}, { deletionTimestamp: new Date() })],
    ['about to be removed by the cluster autoscaler', tainted('ToBeDeletedByClusterAutoscaler', 'NoSchedule', '1')],
    ['about to be removed by Karpenter', tainted('karpenter.sh/disrupted', 'NoSchedule')],
    ['a spot instance with a notice', tainted('aws-node-termination-handler/spot-itn', 'NoSchedule')],
    ['tainted so that its pods are evicted', tainted('maintenance', 'NoExecute')],
  ])('that is %s is leaving', (_state, node) => {
    expect(isLeaving(node)).toBe(true);
  });

  test.each([
    ['without taints', machine({})],
    ['that only takes certain pods', tainted('dedicated', 'NoSchedule', 'sfu')],
    ['that is not ready', tainted('node.kubernetes.io/not-ready', 'NoExecute')],
    ['that is unreachable', tainted('node.kubernetes.io/unreachable', 'NoExecute')],
  ])('%s is not leaving', (_state, node) => {
    expect(isLeaving(node)).toBe(false);
  });

  test('whose taint the pod tolerates for good is not leaving, and one that it tolerates for a time is', () => {
    const node = tainted('dedicated', 'NoExecute', 'sfu');
    expect(isLeaving(node, [{ key: 'dedicated', operator: 'Equal', value: 'sfu' }])).toBe(false);
    expect(isLeaving(node, [{ operator: 'Exists' }])).toBe(false);
    expect(isLeaving(node, [{ key: 'dedicated', value: 'relay' }])).toBe(true);
    expect(isLeaving(node, [{ key: 'dedicated', operator: 'Exists', tolerationSeconds: 60 }])).toBe(true);
    expect(isLeaving(node, [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }])).toBe(true);
  });
});
