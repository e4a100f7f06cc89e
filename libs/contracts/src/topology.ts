/** The fleet as a graph: the reply of GET /v1/topology, and its changes in `topology_update`. */
import { z } from 'zod';
import { GatewayId, NodeId, ParticipantId, RoomId, RoomName, SessionId, UserId } from './ids.ts';
import { NegotiationState } from './negotiation.ts';
import { MigrationRecord } from './migration.ts';
import { DrainProgress, NodeState } from './node.ts';
import { NodeQuality, QualityGroup } from './quality.ts';
import { DisplayName, MediaMode, Timestamp } from './room.ts';

export const GatewayVertex = z.object({
  kind: z.literal('gateway'),
  id: GatewayId,
  alive: z.boolean(),
  sessions: z.int().nonnegative(),
});
export const NodeVertex = z.object({
  kind: z.literal('node'),
  id: NodeId,
  alive: z.boolean(),
  state: NodeState,
  capacity: z.int(),
  reserved: z.int().nonnegative(),
  cpu: z.number(),
  drain: DrainProgress.optional().describe('While it drains.'),
  quality: NodeQuality.optional(),
});
export const RoomVertex = z.object({
  kind: z.literal('room'),
  id: RoomId,
  name: RoomName,
  mediaMode: MediaMode,
  participants: z.int().nonnegative(),
  assignments: z.record(NodeId, z.int()).describe('How many of its participants are assigned to each node.'),
});
/** A session's media in one room: the node that serves it, and its peer score. */
export const SessionMedia = z.object({ roomId: RoomId, nodeId: NodeId, score: z.number(), group: QualityGroup });

export const SessionVertex = z.object({
  kind: z.literal('session'),
  id: SessionId,
  userId: UserId,
  name: DisplayName.optional().describe('Display name of the token.'),
  gatewayId: GatewayId,
  connected: z.boolean().describe('False within the resume window.'),
  rooms: z.array(RoomId),
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
  participants: z.tuple([ParticipantId, ParticipantId]),
  state: NegotiationState.describe('Signaling state of the first of the two.'),
});

/** An active migration, or one of the last that ended; see `keptMigrations`. */
export const MigrationVertex = z.object({ kind: z.literal('migration'), ...MigrationRecord.shape });

export const TopologyVertex = z.discriminatedUnion('kind', [
  GatewayVertex,
  NodeVertex,
  RoomVertex,
  SessionVertex,
  NegotiationVertex,
  MigrationVertex,
]);
export type TopologyVertex = z.infer<typeof TopologyVertex>;

/** Maximum number of vertices of one kind. */
export const maxTopologyVertices = 20_000;

export const Topology = z.object({
  at: Timestamp,
  vertices: z.array(TopologyVertex),
  truncated: z.boolean().describe('True: not all vertices are listed.'),
});
export type Topology = z.infer<typeof Topology>;

/** Maximum number of changed vertices, and of removed ones, in one update. */
export const maxUpdateEntries = 500;

/** What changed since the update before. A large one comes in several events with the same `at`. */
export const TopologyUpdate = z.object({
  at: Timestamp,
  reset: z.boolean().describe('True: discard all previous vertices; this update is the first part of the full state.'),
  changed: z.array(TopologyVertex).max(maxUpdateEntries),
  removed: z.array(z.string()).max(maxUpdateEntries),
  truncated: z.boolean(),
});
export type TopologyUpdate = z.infer<typeof TopologyUpdate>;
