import { type Canary, type NodeView, versionOf } from '@flotilla/contracts';
import { rulesOf, sideOf } from '@flotilla/store';

/** A node as scaling counts it. */
export interface ScaledNode extends NodeView {
  /** The canary gives its version no participants: it is excluded, or waits until the candidate is decided on. */
  readonly isHeldBack: boolean;
}

/** @param canary its record; undefined: versions do not count. */
export function scaledNodes(nodes: readonly NodeView[], canary: Canary | undefined): ScaledNode[] {
  const rules = canary && rulesOf(canary);
  // Without a candidate to decide on, a new version waits only for the next plan, which makes it the candidate.
  const isDeciding = canary?.phase === 'observing' || canary?.phase === 'evacuating';
  return nodes.map((node) => {
    const side = sideOf(rules, versionOf(node));
    return { ...node, isHeldBack: side === 'excluded' || (side === 'waiting' && isDeciding) };
  });
}
