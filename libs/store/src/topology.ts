import {
  type Canary,
  hottestCpu,
  maxTopologyVertices,
  type OpenBreaker,
  type NegotiationState,
  type MigrationRecord,
  type NodeView,
  type PeerScore,
  type Topology,
  type TopologyVertex,
} from '@flotilla/contracts';

/** A gateway without a heartbeat for this long is shown as not alive, ms. Heartbeats come every 2 s. */
export const gatewayLateMs = 6000;

/** A node in the topology. The load is rounded, so that it does not change with every report. */
export function nodeVertex(node: NodeView): TopologyVertex {
  const { id, alive, state, capacity, reserved, load, revision, drain, quality } = node;
  return {
    kind: 'node',
    id,
    alive,
    state,
    capacity,
    reserved,
    cpu: hundredths(load.cpu),
    hottestCpu: hundredths(hottestCpu(load)),
    ...(revision !== undefined && { version: revision }),
    ...(drain && { drain }),
    ...(quality && { quality: { ...quality, mean: hundredths(quality.mean), worst: hundredths(quality.worst) } }),
  };
}

const hundredths = (value: number): number => Math.round(value * 100) / 100;

export const migrationVertex = (record: MigrationRecord): TopologyVertex => ({ kind: 'migration', ...record });

export const breakerVertex = (breaker: OpenBreaker): TopologyVertex => ({
  kind: 'breaker',
  id: `${breaker.caller}/${breaker.target}`,
  ...breaker,
});

/** The canary without its figures, which change with every sample. */
export function canaryVertices(canary: Canary | undefined): TopologyVertex[] {
  if (!canary) return [];
  const { comparisons: _comparisons, crashes: _crashes, ...shown } = canary;
  return [{ kind: 'canary', id: 'canary', ...shown }];
}

type Media = Extract<TopologyVertex, { kind: 'session' }>['media'];

/**
 * The media of each session, from the reports of its nodes. A session that was just migrated is reported by both nodes; the new
 * one counts.
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

/** The topology of all kinds of vertices. One vertex more than `maxTopologyVertices` of a kind marks it as truncated. */
export function topologyOf(at: number, kinds: readonly (readonly TopologyVertex[])[]): Topology {
  return {
    at,
    vertices: kinds.flatMap((vertices) => vertices.slice(0, maxTopologyVertices)),
    truncated: kinds.some((vertices) => vertices.length > maxTopologyVertices),
  };
}
