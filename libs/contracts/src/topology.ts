/** The fleet as a graph: the reply of GET /v1/topology, and its changes in `topology_update`. */
import { z } from 'zod';
import { Canary } from './canary.ts';
import { GatewayId, NodeId, ParticipantId, RoomId, RoomName, SessionId, UserId } from './ids.ts';
import { NegotiationState } from './negotiation.ts';
import { MigrationRecord } from './migration.ts';
import { orElse } from './newer.ts';
import { DrainProgress, ReportedNodeState } from './node.ts';
import { NodeQuality, QualityGroup } from './quality.ts';
import { KnownName, MediaMode, Timestamp } from './room.ts';

export const GatewayVertex = z.object({
  kind: z.literal('gateway'),
  id: GatewayId,
  alive: z.boolean().describe('Whether its heartbeats arrive.'),
  sessions: z.int().nonnegative().describe('Number of its sessions.'),
});
export const NodeVertex = z.object({
  kind: z.literal('node'),
  id: NodeId,
  alive: z.boolean().describe('Whether its heartbeats arrive.'),
  state: ReportedNodeState,
  capacity: z.int().describe('Maximum number of sessions that are assigned to it.'),
  reserved: z.int().nonnegative().describe('Number of sessions that are assigned to it.'),
  cpu: z.number().describe('Used share of its cores, 0 to 1.'),
  hottestCpu: z
    .number()
    .optional()
    .describe(
      'Used share of the core of its hottest mediasoup worker, or that of all its cores where it is higher, 0 to 1. Participants are assigned by it.',
    ),
  version: z.string().optional().describe('What it was rolled out with, if it reports that.'),
  drain: DrainProgress.optional().describe('Only while it drains.'),
  quality: NodeQuality.optional().describe('Quality of its peers. Absent before its first measurement.'),
});
export const RoomVertex = z.object({
  kind: z.literal('room'),
  id: RoomId,
  name: RoomName,
  mediaMode: MediaMode,
  participants: z.int().nonnegative().describe('Number of its participants.'),
  assignments: z.record(NodeId, z.int()).describe('Number of its participants on each SFU node.'),
});
export const SessionMedia = z
  .object({
    roomId: RoomId,
    nodeId: NodeId.describe('The SFU node that serves it.'),
    score: z.number().describe('Peer score, from 0 (worst) to 1.'),
    group: orElse(QualityGroup, 'watch'),
  })
  .describe("A session's media in one room.");

export const SessionVertex = z.object({
  kind: z.literal('session'),
  id: SessionId,
  userId: UserId,
  name: KnownName.optional().describe('Display name in its token.'),
  gatewayId: GatewayId.describe('The gateway of its connection, or of the last one.'),
  connected: z.boolean().describe('False: its connection was lost, and it may resume.'),
  rooms: z.array(RoomId).describe('The rooms that it has joined.'),
  media: z
    .array(SessionMedia)
    .default([])
    .describe(
      'Its media by room, with node and quality. Updated when a group changes or a score differs by more than 0.05.',
    ),
});
/** A pair of participants that negotiates or has negotiated a peer-to-peer connection. */
export const NegotiationVertex = z.object({
  kind: z.literal('negotiation'),
  id: z.string().describe('`<room id>/<participant>~<participant>`'),
  roomId: RoomId,
  participants: z.tuple([ParticipantId, ParticipantId]).describe('The two participants.'),
  state: NegotiationState.describe('Signaling state of the first of the two.'),
});

/** An active migration, or one of the last that ended; see `keptMigrations`. */
export const MigrationVertex = z.object({ kind: z.literal('migration'), ...MigrationRecord.shape });

export const BreakerState = z
  .enum(['open', 'half_open'])
  .describe('`open`: calls are refused at once. `half_open`: a trial call runs, the others are refused.');
/** A circuit breaker of calls between services that is not closed. */
export const OpenBreaker = z.object({
  caller: z.string().max(300).describe('The process that calls.'),
  target: z.string().max(128).describe('What it calls: the id of an SFU node or a metadata relay, or `registry`.'),
  state: orElse(BreakerState, 'open'),
  since: Timestamp.describe('When it opened, in milliseconds since the Unix epoch.'),
});
export type OpenBreaker = z.infer<typeof OpenBreaker>;
export const BreakerVertex = z.object({
  kind: z.literal('breaker'),
  id: z.string().describe('`<caller>/<target>`'),
  ...OpenBreaker.shape,
});

/** The canary of SFU nodes, while it is on. */
export const CanaryVertex = z.object({
  kind: z.literal('canary'),
  id: z.string().describe('`canary`'),
  ...Canary.omit({ comparisons: true, crashes: true }).shape,
});

export const TopologyVertex = z.discriminatedUnion('kind', [
  GatewayVertex,
  NodeVertex,
  RoomVertex,
  SessionVertex,
  NegotiationVertex,
  MigrationVertex,
  BreakerVertex,
  CanaryVertex,
]);
export type TopologyVertex = z.infer<typeof TopologyVertex>;

const vertexKinds: ReadonlySet<unknown> = new Set(TopologyVertex.options.map(({ shape }) => shape.kind.value));

/** A list of vertices; those of a kind that this version does not know are dropped. */
const knownVertices = (list: z.ZodArray<typeof TopologyVertex>) =>
  z.preprocess(
    (given: z.input<typeof TopologyVertex>[]): unknown =>
      Array.isArray(given) ? given.filter((vertex) => vertexKinds.has(vertex?.kind)) : given,
    list,
  );

/** Maximum number of vertices of one kind. */
export const maxTopologyVertices = 20_000;

export const Topology = z.object({
  at: Timestamp.describe('When the fleet was read, in milliseconds since the Unix epoch.'),
  vertices: knownVertices(z.array(TopologyVertex)).describe('The vertices of the graph.'),
  truncated: z.boolean().describe('True: not all vertices are listed.'),
});
export type Topology = z.infer<typeof Topology>;

/** Maximum number of changed vertices, and of removed ones, in one update. */
export const maxUpdateEntries = 500;

/** Changes since the previous update. A large update is split into several events with the same `at`. */
export const TopologyUpdate = z.object({
  at: Timestamp.describe('When the fleet was read, in milliseconds since the Unix epoch.'),
  reset: z.boolean().describe('True: discard all previous vertices; this update is the first part of the full state.'),
  changed: knownVertices(z.array(TopologyVertex).max(maxUpdateEntries)).describe(
    'Vertices that are new or have changed.',
  ),
  removed: z.array(z.string()).max(maxUpdateEntries).describe('Ids of removed vertices.'),
  truncated: z.boolean().describe('True: the fleet has more vertices than are listed.'),
});
export type TopologyUpdate = z.infer<typeof TopologyUpdate>;
