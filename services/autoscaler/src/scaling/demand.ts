import type { NodeView } from '@flotilla/contracts';

/** What the fleet has to carry, over all nodes that are alive. */
export interface Demand {
  /** Assigned sessions. */
  readonly sessions: number;
  /** Sum of the CPU of the nodes, each that of its hottest worker. */
  readonly cpu: number;
  /** Sessions that one node takes: the least of the nodes. Undefined without a node. */
  readonly capacity: number | undefined;
}

/** The part of a node that the demand is read from. */
export type DemandNode = Pick<NodeView, 'alive' | 'reserved' | 'capacity'> & {
  readonly load: { readonly cpu: number; readonly workers: readonly { readonly cpu: number }[] };
};

/** Sessions of a node that was lost count until they are assigned to others. */
export function demandOf(nodes: readonly DemandNode[]): Demand {
  const alive = nodes.filter((node) => node.alive);
  return {
    sessions: nodes.reduce((sum, { reserved }) => sum + reserved, 0),
    cpu: alive.reduce((sum, { load }) => sum + Math.max(load.cpu, ...load.workers.map(({ cpu }) => cpu)), 0),
    capacity: alive.length > 0 ? Math.min(...alive.map(({ capacity }) => capacity)) : undefined,
  };
}
