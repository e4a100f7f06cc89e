import { type NodeView, versionOf } from '@flotilla/contracts';
import { type CanaryRules, sideOf } from '@flotilla/store';

/** A node as scaling counts it. */
export interface ScaledNode extends NodeView {
  /** The canary gives its version no participants: it is excluded, or waits until the candidate is decided on. */
  readonly isHeldBack: boolean;
}

/** @param rules of the canary; undefined: versions do not count. */
export const scaledNodes = (nodes: readonly NodeView[], rules: CanaryRules | undefined): ScaledNode[] =>
  nodes.map((node) => {
    const side = sideOf(rules, versionOf(node));
    return { ...node, isHeldBack: side === 'excluded' || side === 'waiting' };
  });
