import { versionOf } from '@flotilla/contracts';
import { type CanaryRules, sideOf } from '@flotilla/store';
import type { PlannerNode } from '../planner/state.ts';

/**
 * The nodes as the planner sees them: those of an excluded version as draining ones, so that their participants are migrated, though
 * their processes stay; those of a version that waits as cordoned; those of the observed one marked.
 */
export function plannedNodes(nodes: readonly PlannerNode[], rules: CanaryRules | undefined): readonly PlannerNode[] {
  if (!rules) return nodes;
  return nodes.map((node) => {
    const side = sideOf(rules, versionOf(node));
    if (side === 'stable') return node;
    if (side === 'candidate') return { ...node, isCandidate: true };
    if (side === 'excluded') return { ...node, state: 'draining' };
    return node.state === 'active' ? { ...node, state: 'cordoned' } : node;
  });
}
