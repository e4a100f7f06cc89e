/** The REST API of the room registry: one table, from which the OpenAPI document is generated and requests are parsed. */
import { z } from 'zod';
import { ErrorBody, type ErrorCode } from './errors.ts';
import { NodeId, ParticipantId, RoomName, RoomRef, UserId } from './ids.ts';
import { DrainSeconds, NodeState, NodeSummary } from './node.ts';
import { Migration } from './migration.ts';
import { Drill, DrillStarted } from './drill.ts';
import { DisplayName, Participant, Room, RoomSettings } from './room.ts';
import { defaultGrants, Grant, maxTokenSeconds } from './token.ts';
import { Topology } from './topology.ts';

/** A room and how many people are in it. */
export const RoomSummary = z.object({ ...Room.shape, participants: z.int().nonnegative() });
export type RoomSummary = z.infer<typeof RoomSummary>;

export const CreateRoom = z.strictObject({
  name: RoomName.optional().describe('Default: a random one.'),
  ...RoomSettings.partial().shape,
});

export const ListRooms = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(128).optional().describe('`next` of the page before.'),
});

export const DrainNode = z.strictObject({ drainSeconds: DrainSeconds });

export const MigrateParticipant = z.strictObject({ toNode: NodeId.optional() });

export const IssueToken = z.strictObject({
  userId: UserId.optional().describe('Who it is for, as your application knows them. Default: a random one.'),
  name: DisplayName.optional().describe('Shown to the others.'),
  grants: z
    .array(Grant)
    .max(16)
    .default([...defaultGrants]),
  bridge: z
    .array(RoomRef)
    .max(64)
    .default([])
    .describe('Rooms it may send messages into without being in them, if they accept that (`acceptBridged`).'),
  ttlSeconds: z.int().min(10).max(maxTokenSeconds).default(maxTokenSeconds),
});

export const IssueFleetToken = z.strictObject({
  ...IssueToken.shape,
  room: RoomRef.optional().describe('The only room it lets its session join. Default: any room.'),
});

export const IssuedToken = z.object({ token: z.string(), userId: UserId, expiresAt: z.iso.datetime() });
export type IssuedToken = z.infer<typeof IssuedToken>;

/** The media type of Mermaid's text. */
export const mermaidType = 'text/vnd.mermaid';

export const GetTopology = z.strictObject({
  format: z
    .enum(['json', 'mermaid'])
    .optional()
    .describe(
      `Default: by the header Accept, \`${mermaidType}\` or JSON. Mermaid sums up what is not among the largest.`,
    ),
});

interface Route {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly status: number;
  readonly reply?: z.ZodType;
  /** A further media type that the reply may come in, as text. */
  readonly textReply?: string;
  readonly errors: readonly ErrorCode[];
}

const room = z.object({ room: RoomRef.describe('Id or name.') });
const node = z.object({ node: NodeId });

/** What a node was told to be, and now is. */
export const NodeOrder = z.object({ id: NodeId, state: NodeState });
export type NodeOrder = z.infer<typeof NodeOrder>;

const nodeErrors = ['NOT_FOUND', 'NODE_UNAVAILABLE', 'DEADLINE_EXCEEDED'] as const;

export const restRoutes = {
  createRoom: {
    method: 'post',
    path: '/v1/rooms',
    summary: 'Create a room. Creating one that exists with the same settings returns it.',
    body: CreateRoom,
    status: 201,
    reply: Room,
    errors: ['BAD_PAYLOAD', 'ROOM_EXISTS'],
  },
  listRooms: {
    method: 'get',
    path: '/v1/rooms',
    summary: 'List the rooms, oldest first.',
    query: ListRooms,
    status: 200,
    reply: z.object({ rooms: z.array(RoomSummary), next: z.string().nullable() }),
    errors: ['BAD_PAYLOAD'],
  },
  getRoom: {
    method: 'get',
    path: '/v1/rooms/{room}',
    summary: 'Get a room.',
    params: room,
    status: 200,
    reply: RoomSummary,
    errors: ['ROOM_NOT_FOUND'],
  },
  deleteRoom: {
    method: 'delete',
    path: '/v1/rooms/{room}',
    summary: 'Delete a room. Everybody in it is told and leaves.',
    params: room,
    status: 204,
    errors: ['ROOM_NOT_FOUND'],
  },
  listParticipants: {
    method: 'get',
    path: '/v1/rooms/{room}/participants',
    summary: 'List the participants of a room.',
    params: room,
    status: 200,
    reply: z.object({ participants: z.array(Participant) }),
    errors: ['ROOM_NOT_FOUND'],
  },
  removeParticipant: {
    method: 'delete',
    path: '/v1/rooms/{room}/participants/{participant}',
    summary: 'Remove a participant from a room.',
    params: room.extend({ participant: ParticipantId }),
    status: 204,
    errors: ['ROOM_NOT_FOUND', 'PARTICIPANT_NOT_FOUND'],
  },
  migrateParticipant: {
    method: 'post',
    path: '/v1/rooms/{room}/participants/{participant}/migrate',
    summary: 'Move a participant to another SFU node while it talks: to the given one, or to the best.',
    params: room.extend({ participant: ParticipantId }),
    body: MigrateParticipant,
    status: 202,
    reply: Migration,
    errors: [
      'ROOM_NOT_FOUND',
      'PARTICIPANT_NOT_FOUND',
      'BAD_PAYLOAD',
      'NO_CAPACITY',
      'MIGRATION_RUNNING',
      'NODE_UNAVAILABLE',
    ],
  },
  issueToken: {
    method: 'post',
    path: '/v1/rooms/{room}/tokens',
    summary: 'Issue a token that opens one session and lets it join this room.',
    params: room,
    body: IssueToken,
    status: 201,
    reply: IssuedToken,
    errors: ['ROOM_NOT_FOUND', 'BAD_PAYLOAD', 'TOKENS_NOT_ISSUED'],
  },
  issueFleetToken: {
    method: 'post',
    path: '/v1/tokens',
    summary:
      'Issue a token that opens one session for any room: for clients in several rooms, and for those that broadcast or watch the fleet.',
    body: IssueFleetToken,
    status: 201,
    reply: IssuedToken,
    errors: ['ROOM_NOT_FOUND', 'BAD_PAYLOAD', 'TOKENS_NOT_ISSUED'],
  },
  listNodes: {
    method: 'get',
    path: '/v1/nodes',
    summary:
      'List the SFU nodes with their load: those that report, and those that fell silent and were not taken off.',
    status: 200,
    reply: z.object({ nodes: z.array(NodeSummary) }),
    errors: [],
  },
  cordonNode: {
    method: 'post',
    path: '/v1/nodes/{node}/cordon',
    summary: 'Place nobody new on a node. Who is there stays. Holds until it is lifted or the node restarts.',
    params: node,
    status: 200,
    reply: NodeOrder,
    errors: nodeErrors,
  },
  uncordonNode: {
    method: 'post',
    path: '/v1/nodes/{node}/uncordon',
    summary: 'Place people on a node again. Also ends a drain: who was not moved yet stays.',
    params: node,
    status: 200,
    reply: NodeOrder,
    errors: nodeErrors,
  },
  drainNode: {
    method: 'post',
    path: '/v1/nodes/{node}/drain',
    summary:
      'Place nobody new on a node and move who is there to others; when it is empty, its process ends with exit code 0. Answered when the drain begins; GET /v1/nodes tells how far it is.',
    params: node,
    body: DrainNode,
    status: 200,
    reply: NodeOrder,
    errors: [...nodeErrors, 'BAD_PAYLOAD'],
  },
  drill: {
    method: 'post',
    path: '/v1/drills',
    summary:
      'Drill a failure or a move: migrate a participant, drain or take back a node, kill a media worker or a node, cut a socket. Answered when it is begun.',
    body: Drill,
    status: 202,
    reply: DrillStarted,
    errors: [
      ...nodeErrors,
      'BAD_PAYLOAD',
      'DRILL_REFUSED',
      'ROOM_NOT_FOUND',
      'PARTICIPANT_NOT_FOUND',
      'NO_CAPACITY',
      'MIGRATION_RUNNING',
    ],
  },
  getTopology: {
    method: 'get',
    path: '/v1/topology',
    summary:
      'Get the fleet as a graph: gateways, SFU nodes, rooms, sessions, negotiations, and the last migrations. Made for looking, not for polling.',
    query: GetTopology,
    status: 200,
    reply: Topology,
    textReply: mermaidType,
    errors: ['BAD_PAYLOAD'],
  },
} as const satisfies Record<string, Route>;

export type RestRoute = keyof typeof restRoutes;

/** What every REST error looks like. */
export const RestError = z.object({ error: ErrorBody });
