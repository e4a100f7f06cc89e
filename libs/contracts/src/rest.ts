/** The REST API of the room registry: one table, from which the OpenAPI document is generated and requests are parsed. */
import { z } from 'zod';
import type { ApiScope } from './api-scope.ts';
import { Canary, OrderCandidate } from './canary.ts';
import { ErrorBody, type ErrorCode } from './errors.ts';
import { Grant, MaxPublishBitrate } from './grants.ts';
import { NodeId, ParticipantId, RoomId, RoomName, RoomRef, SessionId, Subject, UserId } from './ids.ts';
import { DrainSeconds, NodeSummary, ReportedNodeState } from './node.ts';
import { Migration } from './migration.ts';
import { Drill, DrillStarted } from './drill.ts';
import { AnnounceExperiment, ApiKeyInfo, ExperimentName, Operations, RunningExperiment } from './operations.ts';
import { DisplayName, Participant, ParticipantCursor, Room, RoomSettings, Timestamp } from './room.ts';
import { maxTokenSeconds, RoomClaim } from './token.ts';
import { Topology } from './topology.ts';

/** The longest ban, s. */
const maxBanSeconds = 30 * 86_400;

export const RoomSummary = z
  .object({ ...Room.shape, participants: z.int().nonnegative().describe('Number of its participants.') })
  .describe('A room and its number of participants.');
export type RoomSummary = z.infer<typeof RoomSummary>;

export const CreateRoom = z.strictObject({
  name: RoomName.optional().describe('Name of the room. Default: a random one.'),
  ...RoomSettings.partial().shape,
});

/** Its shape is that of the store's list key. */
export const RoomCursor = z
  .string()
  .regex(/^\d{15}:rm_[0-9a-z-]{1,60}$/, 'the `next` of a previous page')
  .describe('Position in the list of rooms: `next` of a page. Opaque to clients.');

const pageLimit = z.coerce.number().int().min(1).max(100).default(50);

export const ListRooms = z.strictObject({
  limit: pageLimit.describe('Maximum number of rooms in the page.'),
  cursor: RoomCursor.optional().describe('`next` of the previous page. Default: the first page.'),
});

export const RoomList = z.object({
  rooms: z.array(RoomSummary).describe('Rooms, oldest first.'),
  next: RoomCursor.nullable().describe('`cursor` of the next page, or null when this page is the last.'),
});

export const ListParticipants = z.strictObject({
  cursor: ParticipantCursor.optional().describe('`next` of the previous page. Default: the first page.'),
});

export const ParticipantList = z.object({
  participants: z.array(Participant).describe('Participants in the order in which they joined, at most 128.'),
  next: ParticipantCursor.nullable().describe('`cursor` of the next page, or null when this page is the last.'),
});
export type ParticipantList = z.infer<typeof ParticipantList>;

export const Ban = z
  .object({
    userId: UserId,
    endsAt: Timestamp.describe('When its user may join again, in milliseconds since the Unix epoch.'),
  })
  .describe('A user who may not join a room for some time.');
export type Ban = z.infer<typeof Ban>;

export const BanCursor = z
  .string()
  .regex(/^\d{1,15}:([a-z0-9]{1,20}\/)?[\w.@:+-]{1,128}$/, 'the `next` of a previous page')
  .describe('Position in the list of bans: `next` of a page. Opaque to clients.');

export const ListBans = z.strictObject({
  limit: pageLimit.describe('Maximum number of bans in the page.'),
  cursor: BanCursor.optional().describe('`next` of the previous page. Default: the first page.'),
});

export const BanList = z.object({
  bans: z.array(Ban).describe('The bans of the room that are in force, those that end first in front.'),
  next: BanCursor.nullable().describe('`cursor` of the next page, or null when this page is the last.'),
});
export type BanList = z.infer<typeof BanList>;

export const NodeList = z.object({ nodes: z.array(NodeSummary).describe('The SFU nodes.') });

export const DrainNode = z.strictObject({ drainSeconds: DrainSeconds });

export const MigrateParticipant = z.strictObject({
  toNode: NodeId.optional().describe('Node to move to. Default: the one that placement chooses.'),
});

export const RemoveParticipant = z.strictObject({
  banSeconds: z.coerce
    .number()
    .int()
    .min(0)
    .max(maxBanSeconds)
    .default(maxTokenSeconds)
    .describe(
      'Time for which its user may not join the room again, in seconds. Default: until tokens that were issued before have expired. 0: no ban.',
    ),
});

export const Revoke = z.strictObject({
  issuedBefore: z
    .int()
    .nonnegative()
    .optional()
    .describe(
      'Tokens issued before it are refused, in seconds since the Unix epoch. A time more than 60 s ahead counts as 60 s ahead. Default: those issued until now.',
    ),
});

export const Revoked = z.object({
  issuedBefore: z.int().describe('Tokens issued before it are refused, in seconds since the Unix epoch.'),
  sessions: z.int().nonnegative().describe('Number of sessions that were ended.'),
});
export type Revoked = z.infer<typeof Revoked>;

export const IssueToken = z.strictObject({
  userId: Subject.optional().describe('Id of the user in your application. Default: a random id.'),
  name: DisplayName.optional().describe('Display name for the other participants.'),
  grants: z
    .array(Grant)
    .max(16)
    .describe('What the session may do. A participant of a call has `publish`, `subscribe` and `data`.'),
  maxPublishBitrate: MaxPublishBitrate.optional(),
  bridge: z
    .array(RoomRef)
    .max(64)
    .default([])
    .describe(
      'Rooms that the session may send messages to without joining them, if they were created with `acceptBridged`.',
    ),
  ttlSeconds: z
    .int()
    .min(10)
    .max(maxTokenSeconds)
    .default(maxTokenSeconds)
    .describe('Lifetime of the token, in seconds.'),
});

export const IssueFleetToken = z.strictObject({
  ...IssueToken.shape,
  room: RoomClaim.optional(),
});

export const IssuedToken = z.object({
  token: z.string().describe('JSON Web Token (RFC 7519). Opens one session.'),
  userId: UserId.describe('The user of the token.'),
  roomId: RoomId.optional().describe('Id of its room. Absent for a token of any room, or of none.'),
  expiresAt: z.iso.datetime().describe('When the token expires (RFC 3339).'),
});
export type IssuedToken = z.infer<typeof IssuedToken>;

/** The media type of Mermaid diagrams. */
export const mermaidType = 'text/vnd.mermaid';

export const GetTopology = z.strictObject({
  format: z
    .enum(['json', 'mermaid'])
    .optional()
    .describe(
      `Default: chosen by the header Accept (\`${mermaidType}\` or JSON). Mermaid draws the largest vertices and counts the rest.`,
    ),
});

interface Route {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly summary: string;
  /** The scope that an API key needs for it. */
  readonly scope: ApiScope;
  /** It concerns the whole fleet: a key of a tenant is refused. */
  readonly wholeFleet?: true;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly status: number;
  readonly reply?: z.ZodType;
  /** A second media type of the reply, as text. */
  readonly textReply?: string;
  readonly errors: readonly ErrorCode[];
}

const room = z.object({ room: RoomRef.describe('Id or name of a room.') });
const node = z.object({ node: NodeId.describe('Id of an SFU node.') });

export const NodeStateChange = z
  .object({ id: NodeId, state: ReportedNodeState })
  .describe('The state of a node after it was cordoned, uncordoned or drained.');
export type NodeStateChange = z.infer<typeof NodeStateChange>;

const nodeErrors = ['NOT_FOUND', 'NODE_UNAVAILABLE', 'DEADLINE_EXCEEDED'] as const;

export const restRoutes = {
  createRoom: {
    method: 'post',
    path: '/v1/rooms',
    scope: 'rooms',
    summary: 'Create a room. If a room of that name exists with the same settings, returns it.',
    body: CreateRoom,
    status: 201,
    reply: Room,
    errors: ['BAD_PAYLOAD', 'ROOM_EXISTS'],
  },
  listRooms: {
    method: 'get',
    path: '/v1/rooms',
    scope: 'read',
    summary:
      'List the rooms, oldest first. With a key of a tenant, a page may have fewer rooms than `limit` although others follow.',
    query: ListRooms,
    status: 200,
    reply: RoomList,
    errors: ['BAD_PAYLOAD'],
  },
  getRoom: {
    method: 'get',
    path: '/v1/rooms/{room}',
    scope: 'read',
    summary: 'Get a room.',
    params: room,
    status: 200,
    reply: RoomSummary,
    errors: ['ROOM_NOT_FOUND'],
  },
  deleteRoom: {
    method: 'delete',
    path: '/v1/rooms/{room}',
    scope: 'rooms',
    summary: 'Delete a room. Its participants receive `room_deleted` and leave.',
    params: room,
    status: 204,
    errors: ['ROOM_NOT_FOUND'],
  },
  listParticipants: {
    method: 'get',
    path: '/v1/rooms/{room}/participants',
    scope: 'read',
    summary: 'List the participants of a room. Who is in it throughout is in one of the pages.',
    params: room,
    query: ListParticipants,
    status: 200,
    reply: ParticipantList,
    errors: ['ROOM_NOT_FOUND', 'BAD_PAYLOAD'],
  },
  removeParticipant: {
    method: 'delete',
    path: '/v1/rooms/{room}/participants/{participant}',
    scope: 'rooms',
    summary:
      'Remove a participant from a room, and ban its user from it for some time: the user leaves the room with all its sessions.',
    params: room.extend({ participant: ParticipantId }),
    query: RemoveParticipant,
    status: 204,
    errors: ['ROOM_NOT_FOUND', 'PARTICIPANT_NOT_FOUND', 'BAD_PAYLOAD'],
  },
  listBans: {
    method: 'get',
    path: '/v1/rooms/{room}/bans',
    scope: 'read',
    summary: 'List the bans of a room that are in force, those that end first in front.',
    params: room,
    query: ListBans,
    status: 200,
    reply: BanList,
    errors: ['ROOM_NOT_FOUND', 'BAD_PAYLOAD'],
  },
  liftBan: {
    method: 'delete',
    path: '/v1/rooms/{room}/bans/{user}',
    scope: 'rooms',
    summary: 'Let a banned user join the room again.',
    params: room.extend({ user: UserId }),
    status: 204,
    errors: ['ROOM_NOT_FOUND', 'NOT_FOUND'],
  },
  revokeSession: {
    method: 'delete',
    path: '/v1/sessions/{session}',
    scope: 'operate',
    summary:
      'End a session: it leaves its rooms, its connection is closed with 4403, and it cannot be resumed. Its user may open another with a new token.',
    params: z.object({ session: SessionId }),
    status: 204,
    errors: ['NOT_FOUND'],
  },
  revokeUser: {
    method: 'post',
    path: '/v1/users/{user}/revoke',
    scope: 'operate',
    summary: 'End all sessions of a user, and refuse tokens of it that were issued before.',
    params: z.object({ user: UserId }),
    body: Revoke,
    status: 200,
    reply: Revoked,
    errors: ['NOT_FOUND', 'BAD_PAYLOAD'],
  },
  revokeTokens: {
    method: 'post',
    path: '/v1/tokens/revoke',
    scope: 'operate',
    wholeFleet: true,
    summary:
      'Refuse all tokens that were issued before, to open or refresh a session, and end the sessions of such tokens as `revokeSession` does. Replies when they have ended.',
    body: Revoke,
    status: 200,
    reply: Revoked,
    errors: ['BAD_PAYLOAD'],
  },
  migrateParticipant: {
    method: 'post',
    path: '/v1/rooms/{room}/participants/{participant}/migrate',
    scope: 'operate',
    wholeFleet: true,
    summary: 'Migrate a participant to another SFU node without interrupting its call.',
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
      'MEDIA_NOT_OPEN',
      'NODE_UNAVAILABLE',
    ],
  },
  issueToken: {
    method: 'post',
    path: '/v1/rooms/{room}/tokens',
    scope: 'tokens',
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
    scope: 'tokens',
    summary:
      'Issue a token that opens one session, for clients that join any room (`room: "*"`), or none: those that broadcast or watch the fleet.',
    body: IssueFleetToken,
    status: 201,
    reply: IssuedToken,
    errors: ['ROOM_NOT_FOUND', 'BAD_PAYLOAD', 'TOKENS_NOT_ISSUED'],
  },
  listNodes: {
    method: 'get',
    path: '/v1/nodes',
    scope: 'read',
    wholeFleet: true,
    summary: 'List the SFU nodes with their load, including nodes that stopped reporting and were not removed yet.',
    status: 200,
    reply: NodeList,
    errors: [],
  },
  cordonNode: {
    method: 'post',
    path: '/v1/nodes/{node}/cordon',
    scope: 'operate',
    wholeFleet: true,
    summary: 'Assign no new participants to a node. Those on it stay. Lasts until the node is uncordoned or restarts.',
    params: node,
    status: 200,
    reply: NodeStateChange,
    errors: nodeErrors,
  },
  uncordonNode: {
    method: 'post',
    path: '/v1/nodes/{node}/uncordon',
    scope: 'operate',
    wholeFleet: true,
    summary: 'Assign participants to a node again. Also cancels a drain: participants that were not moved yet stay.',
    params: node,
    status: 200,
    reply: NodeStateChange,
    errors: nodeErrors,
  },
  drainNode: {
    method: 'post',
    path: '/v1/nodes/{node}/drain',
    scope: 'operate',
    wholeFleet: true,
    summary:
      'Drain a node: assign no new participants to it and migrate those on it to other nodes. When it is empty, its process ends with exit code 0. Replies when the drain begins; `drain` in GET /v1/nodes shows its progress.',
    params: node,
    body: DrainNode,
    status: 200,
    reply: NodeStateChange,
    errors: [...nodeErrors, 'BAD_PAYLOAD'],
  },
  getCanary: {
    method: 'get',
    path: '/v1/canary',
    scope: 'read',
    wholeFleet: true,
    summary: 'Get the state of the canary of SFU nodes: versions, share, phase, and how they compare.',
    status: 200,
    reply: Canary,
    errors: ['NOT_FOUND'],
  },
  promoteCanary: {
    method: 'post',
    path: '/v1/canary/promote',
    scope: 'operate',
    wholeFleet: true,
    summary:
      'Make the candidate the stable version, also when it is being evacuated. Replies with the state before; the leading autoscaler carries the order out within a second.',
    body: OrderCandidate,
    status: 202,
    reply: Canary,
    errors: ['NOT_FOUND', 'WRONG_STATE', 'BAD_PAYLOAD'],
  },
  evacuateCanary: {
    method: 'post',
    path: '/v1/canary/evacuate',
    scope: 'operate',
    wholeFleet: true,
    summary:
      'Migrate the participants of the observed candidate to the stable version, and exclude it. Replies as `promoteCanary` does.',
    body: OrderCandidate,
    status: 202,
    reply: Canary,
    errors: ['NOT_FOUND', 'WRONG_STATE', 'BAD_PAYLOAD'],
  },
  resetCanary: {
    method: 'post',
    path: '/v1/canary/reset',
    scope: 'operate',
    wholeFleet: true,
    summary:
      'Clear the excluded versions and end the observation. Nodes of another version than the stable one are a new candidate then. Replies as `promoteCanary` does.',
    status: 202,
    reply: Canary,
    errors: ['NOT_FOUND'],
  },
  drill: {
    method: 'post',
    path: '/v1/drills',
    scope: 'faults',
    wholeFleet: true,
    summary:
      'Inject a failure or start a move: migrate a participant, drain or uncordon a node, kill a media worker or a node, cut a connection. Replies when it has begun.',
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
      'MEDIA_NOT_OPEN',
    ],
  },
  getTopology: {
    method: 'get',
    path: '/v1/topology',
    scope: 'read',
    wholeFleet: true,
    summary:
      'Get the fleet as a graph: gateways, SFU nodes, rooms, sessions, negotiations, the last migrations, and open circuit breakers. Up to 3 s old, see the header `Age`. To follow the fleet, use `watch_topology` of the signaling protocol.',
    query: GetTopology,
    status: 200,
    reply: Topology,
    textReply: mermaidType,
    errors: ['BAD_PAYLOAD'],
  },
  getOperations: {
    method: 'get',
    path: '/v1/operations',
    scope: 'read',
    wholeFleet: true,
    summary:
      'Get the state of the fleet for operators: SFU nodes with their versions, migrations, open circuit breakers, the canary, decisions on the number of nodes, and running chaos experiments.',
    status: 200,
    reply: Operations,
    errors: [],
  },
  getApiKey: {
    method: 'get',
    path: '/v1/api-key',
    scope: 'read',
    summary: 'Get the name and the scopes of the API key of this request.',
    status: 200,
    reply: ApiKeyInfo,
    errors: [],
  },
  announceExperiment: {
    method: 'post',
    path: '/v1/experiments',
    scope: 'faults',
    wholeFleet: true,
    summary:
      'Announce a chaos experiment, so that operators see that it runs. It starts no failure. Replaces an announcement of the same name.',
    body: AnnounceExperiment,
    status: 201,
    reply: RunningExperiment,
    errors: ['BAD_PAYLOAD'],
  },
  endExperiment: {
    method: 'delete',
    path: '/v1/experiments/{experiment}',
    scope: 'faults',
    wholeFleet: true,
    summary: 'Remove the announcement of a chaos experiment. Also succeeds when there is none.',
    params: z.object({ experiment: ExperimentName }),
    status: 204,
    errors: ['NOT_FOUND'],
  },
} as const satisfies Record<string, Route>;

export type RestRoute = keyof typeof restRoutes;

export const RestError = z.object({ error: ErrorBody }).describe('The body of every error.');
