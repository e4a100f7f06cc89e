import { type CpuLoad, hottestCpu } from '@flotilla/contracts';
import type { ScaledNode } from './scaled-node.ts';

/** The load of the fleet. */
export interface Demand {
  /** Sessions assigned to any node, also to lost ones: they are assigned to others soon. */
  readonly sessions: number;
  /** Sum of the CPU of the nodes that are alive, each that of its busiest worker, as a fraction of one. */
  readonly cpu: number;
  /**
   * Smallest capacity of the nodes that are alive, in sessions, without those that a canary holds back while there are others. Undefined
   * without a node.
   */
  readonly capacity: number | undefined;
}

/** The part of a node that the demand is read from. */
export type DemandNode = Pick<ScaledNode, 'alive' | 'reserved' | 'capacity' | 'isHeldBack'> & {
  readonly load: CpuLoad;
};

export function demandOf(nodes: readonly DemandNode[]): Demand {
  const alive = nodes.filter((node) => node.alive);
  const serving = alive.filter(({ isHeldBack }) => !isHeldBack);
  const capacities = (serving.length > 0 ? serving : alive).map(({ capacity }) => capacity);
  return {
    sessions: nodes.reduce((sum, { reserved }) => sum + reserved, 0),
    cpu: alive.reduce((sum, { load }) => sum + hottestCpu(load), 0),
    capacity: capacities.length > 0 ? Math.min(...capacities) : undefined,
  };
}
