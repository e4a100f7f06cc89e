import {
  maxTopologyVertices,
  type NegotiationState,
  type NodeView,
  type Topology,
  type TopologyVertex,
} from '@flotilla/contracts';

/** A gateway says every 2 s that it is alive. One that left three of them out is shown as not alive. */
export const gatewayLateMs = 6000;

/** What a topology tells of a node. The load is rounded, so that it does not change with every report. */
export function nodeVertex({ id, alive, state, capacity, reserved, load }: NodeView): TopologyVertex {
  return { kind: 'node', id, alive, state, capacity, reserved, cpu: Math.round(load.cpu * 100) / 100 };
}

/** `pair` is the `pairKey` of the two. */
export function negotiationVertex(roomId: string, pair: string, state: NegotiationState): TopologyVertex {
  const [one, other] = pair.split('~') as [string, string];
  return { kind: 'negotiation', id: `${roomId}/${pair}`, roomId, participants: [one, other], state };
}

/** Puts together what was read of each kind; of a kind there may be one more than may be told, which says that there is more. */
export function topologyOf(at: number, kinds: readonly (readonly TopologyVertex[])[]): Topology {
  return {
    at,
    vertices: kinds.flatMap((vertices) => vertices.slice(0, maxTopologyVertices)),
    truncated: kinds.some((vertices) => vertices.length > maxTopologyVertices),
  };
}
