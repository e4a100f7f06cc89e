import {
  maxTopologyVertices,
  type NegotiationState,
  type MigrationRecord,
  type NodeView,
  type PeerScore,
  type Topology,
  type TopologyVertex,
} from '@flotilla/contracts';

/** A gateway says every 2 s that it is alive. One that left three of them out is shown as not alive. */
export const gatewayLateMs = 6000;

/** What a topology tells of a node. The load is rounded, so that it does not change with every report. */
export function nodeVertex(node: NodeView): TopologyVertex {
  const { id, alive, state, capacity, reserved, load, drain, quality } = node;
  return {
    kind: 'node',
    id,
    alive,
    state,
    capacity,
    reserved,
    cpu: hundredths(load.cpu),
    ...(drain && { drain }),
    ...(quality && { quality: { ...quality, mean: hundredths(quality.mean), worst: hundredths(quality.worst) } }),
  };
}

const hundredths = (value: number): number => Math.round(value * 100) / 100;

export const migrationVertex = (record: MigrationRecord): TopologyVertex => ({ kind: 'migration', ...record });

type Media = Extract<TopologyVertex, { kind: 'session' }>['media'];

/**
 * The media of each session by what its nodes say. One that was just moved has both sides for a moment, of
 * which the one it was not moved away from counts.
 */
export function mediaOf(
  peerScores: readonly (readonly [nodeId: string, of: readonly PeerScore[]])[],
  migrations: readonly MigrationRecord[],
): ReadonlyMap<string, Media> {
  const assignments = new Map<string, string>();
  // The newest come first.
  for (const { sessionId, roomId, end, toNode, fromNode } of migrations) {
    const key = `${sessionId} ${roomId}`;
    if (!assignments.has(key)) assignments.set(key, end === 'committed' ? toNode : fromNode);
  }
  const media = new Map<string, Media>();
  for (const [nodeId, peers] of peerScores) {
    for (const { sessionId, roomId, score, group } of peers) {
      const known = media.get(sessionId) ?? [];
      media.set(sessionId, known);
      const other = known.findIndex((each) => each.roomId === roomId);
      if (other === -1) known.push({ roomId, nodeId, score, group });
      else if (assignments.get(`${sessionId} ${roomId}`) === nodeId) known[other] = { roomId, nodeId, score, group };
    }
  }
  for (const each of media.values()) each.sort((a, b) => (a.roomId < b.roomId ? -1 : 1));
  return media;
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
