/**
 * Commands between services: a request with one answer.
 *
 * Delivery is at least once: a command may be repeated by the broker, and a caller may send it again. A handler answers a
 * `commandId` that it has seen within the last 60 s from memory; a caller that sends the same payload under a new id relies on
 * the command's own idempotency, which its comment states. Commands are delivered in the order in which one process sent them
 * to one queue, and handled concurrently.
 *
 * The default deadline is 5,000 ms (`timeoutMs` of `CommandBus.call`). DEADLINE_EXCEEDED, UNAVAILABLE and NODE_UNAVAILABLE can be
 * thrown for every command; after the first two it may have been carried out.
 *
 * `version` rises when a payload changes in a way that an older reader would misunderstand. A service of an earlier version answers a
 * command that it does not know with UNKNOWN_TYPE, and one of a later `version` than its own with UNAVAILABLE: it has not been carried out,
 * and the caller does what the earlier version did.
 */
import { z } from 'zod';
import { MigrationId, NodeId, ParticipantId, PublicationId, RoomId, SessionId } from './ids.ts';
import {
  DtlsParameters,
  MaxSpatialLayer,
  MediaKind,
  MediaSessionParameters,
  RtpCapabilities,
  RtpParameters,
  Source,
} from './media.ts';
import { LinkReport, TopicDeclaration, TopicInfo, TopicSelection } from './metadata.ts';
import { Migration, MigrationReason, MigrationReport } from './migration.ts';
import { orElse } from './newer.ts';
import { DrainSeconds, NodeState, ReportedNodeState } from './node.ts';
import { Drill, DrillStarted } from './drill.ts';
import { Publication } from './room.ts';
import { signalRequests } from './signal.ts';

/** Maximum number of subscriptions of one session in a room. */
export const maxSubscriptions = 1024;

/**
 * Number of subscriptions that a session is opened with. Its client requests the others: each is some 1.5 KB of the reply. A
 * migration opens all, because the client changes to the new node once they are received.
 */
export const maxFirstSubscriptions = 12;

interface CommandSpec {
  readonly version: number;
  readonly payload: z.ZodType;
  readonly reply: z.ZodType;
}

/** Requests of one session that may await their answer at a time. An SFU node carries out or queues as many of its commands. */
export const maxRequestsInFlight = 64;

/** Maximum number of publications that a pipe is opened with; more are added one by one. */
export const maxPublicationsOfNewPipe = 64;

/** Served by the room registry, on a queue that all its instances share. */
export const registryCommands = {
  /** A probe, after commands were not answered. */
  'registry.ping': { version: 1, payload: z.object({}), reply: z.object({}) },
  /**
   * Begins a migration: reserves capacity, opens the transports on the new node, and sends the client `migrate`. The reply
   * comes then; `migration.deadline` is 20,000 ms (`migrationTimeoutMs`) after the begin. With reason `node_lost` the participant
   * is assigned to another node at once. Not idempotent: a repetition is answered MIGRATION_RUNNING while the first runs.
   *
   * Errors: NOT_IN_ROOM, MEDIA_NOT_OPEN (the session has no media), NO_CAPACITY, MIGRATION_RUNNING, NODE_UNAVAILABLE (the new node
   * did not answer), MIGRATION_NOT_ACTIVE (it is not on `fromNode`, or the migration was rolled back meanwhile; with `node_lost`: its
   * node is alive), WRONG_STATE (with `node_lost`: it is not on `fromNode`), STALE_TERM (another autoscaler has led since `term`: the
   * caller was stopped, or cut off, and does not know it yet).
   */
  'registry.migrate': {
    version: 1,
    payload: z.object({
      roomId: RoomId,
      sessionId: SessionId,
      fromNode: NodeId.optional().describe('The node that the caller expects it on. Default: any.'),
      toNode: NodeId.optional().describe('Default: the node that placement chooses.'),
      reason: orElse(MigrationReason, 'manual'),
      term: z
        .int()
        .positive()
        .optional()
        .describe('Term of the autoscaler that gives the order. Absent: an operator gives it.'),
    }),
    reply: z.object({ migration: Migration }),
  },
  /**
   * Commits a migration, at the client's request. Idempotent: after the commit it is answered as the first time. Errors:
   * MIGRATION_NOT_ACTIVE (it was rolled back).
   */
  'registry.migrated': {
    version: 1,
    payload: z.object({ migrationId: MigrationId, roomId: RoomId, sessionId: SessionId }),
    reply: z.object({}),
  },
  /** Rolls a migration back, at the client's request. Idempotent; no effect on a migration that has ended. */
  'registry.migration_failed': {
    version: 1,
    payload: z.object({ migrationId: MigrationId, roomId: RoomId, sessionId: SessionId, reason: z.string().max(256) }),
    reply: z.object({}),
  },
  /**
   * Stores what the client of a migrated participant measured. A report about a migration that is no longer in the history, or
   * that is another session's, is dropped.
   */
  'registry.migration_report': {
    version: 1,
    payload: z.object({ migrationId: MigrationId, sessionId: SessionId, ...MigrationReport.shape }),
    reply: z.object({}),
  },
  /** Starts a drill. Not idempotent. Errors: those of the command that it starts, NOT_FOUND, DRILL_REFUSED. */
  'registry.drill': {
    version: 1,
    payload: z.object({ drill: Drill, by: z.string().max(256).describe('Who requested it, for the log.') }),
    reply: DrillStarted,
  },
} as const satisfies Record<string, CommandSpec>;

const ofSession = { roomId: RoomId, sessionId: SessionId };

/** The payload of a client's request, with the session that sent it. */
function forSession<T extends z.ZodRawShape>(payload: z.ZodObject<T>) {
  return z.object({ ...ofSession, ...payload.shape });
}

const PipeEndpoint = z.object({
  ip: z.string().max(64),
  port: z.int().min(1).max(65_535),
  srtpParameters: z.object({ cryptoSuite: z.string().max(64), keyBase64: z.string().max(128) }),
});

/** What the receiving end of a pipe needs to produce a publication. */
const PipedPublication = z.object({
  producerId: z.string(),
  kind: MediaKind,
  rtpParameters: RtpParameters,
  paused: z.boolean(),
});

/**
 * Served by each SFU node, on a queue of its own. Those about a session throw MEDIA_NOT_OPEN when it has no media on the node, except
 * `open_session`. Requests about one publication are carried out in the order of their arrival.
 */
export const sfuCommands = {
  /**
   * Opens the transports of a session. Idempotent in effect: existing transports of the session are closed and replaced. Errors:
   * NODE_UNAVAILABLE (its media worker stopped), MIGRATION_NOT_ACTIVE.
   */
  'sfu.open_session': {
    version: 1,
    payload: z.object({
      ...ofSession,
      participantId: ParticipantId,
      rtpCapabilities: RtpCapabilities,
      subscribe: z.boolean(),
      publicationIds: z
        .array(PublicationId)
        .max(maxSubscriptions)
        .optional()
        .describe('What to subscribe to when `subscribe` is false. Those that have ended are left out.'),
      migration: Migration.optional().describe(
        'The migration that the session is opened for. The node sends the client `migrate` before it answers.',
      ),
    }),
    reply: MediaSessionParameters,
  },
  /** A liveness probe: a node that answers is alive. */
  'sfu.ping': { version: 1, payload: z.object({}), reply: z.object({}) },
  /** Idempotent: repeated with the same parameters it is answered as the first time. */
  'sfu.connect_transport': {
    version: 1,
    payload: z.object({ ...ofSession, transportId: z.string(), dtlsParameters: DtlsParameters }),
    reply: z.object({}),
  },
  /** Each call returns new credentials. */
  'sfu.restart_ice': {
    version: 1,
    payload: forSession(signalRequests.restart_ice.payload),
    reply: signalRequests.restart_ice.reply,
  },
  /**
   * Creates a producer, for a new publication or for the one in `publicationId`. Not idempotent: repeat it with other RTP
   * parameters. Errors: RATE_LIMITED, MEDIA_UNSUPPORTED, PUBLICATION_NOT_FOUND, NOT_IN_ROOM; MIGRATION_RUNNING for a publication
   * that was already republished on the node to which its participant is being migrated.
   */
  'sfu.publish': {
    version: 1,
    payload: z.object({
      ...ofSession,
      kind: MediaKind,
      source: orElse(Source, 'other'),
      rtpParameters: RtpParameters,
      label: z.string().optional(),
      muted: z.boolean(),
      publicationId: PublicationId.optional(),
    }),
    reply: z.object({ publication: Publication }),
  },
  /** Errors: PUBLICATION_NOT_FOUND, also for a repetition. */
  'sfu.unpublish': { version: 1, payload: forSession(signalRequests.unpublish.payload), reply: z.object({}) },
  /** Idempotent. Errors: PUBLICATION_NOT_FOUND. */
  'sfu.mute': { version: 1, payload: forSession(signalRequests.mute.payload), reply: z.object({}) },
  /** Idempotent in effect: a consumer of the same producer is kept. Errors of single publications are in `failed`. */
  'sfu.subscribe': {
    version: 1,
    payload: forSession(signalRequests.subscribe.payload),
    reply: signalRequests.subscribe.reply,
  },
  /** Idempotent. */
  'sfu.unsubscribe': { version: 1, payload: forSession(signalRequests.unsubscribe.payload), reply: z.object({}) },
  /** Idempotent. Errors: SUBSCRIPTION_NOT_FOUND. */
  'sfu.update_subscriptions': {
    version: 1,
    payload: forSession(signalRequests.update_subscriptions.payload),
    reply: z.object({}),
  },
  /**
   * Sets the state of the node until it restarts. Answered when its report with the new state is in the store. A draining node stops
   * when it is empty, or after `drainSeconds`; a repeated drain sets a new deadline. Errors: NODE_UNAVAILABLE (the node is
   * stopping), STALE_TERM (since its start the node has had an order with a higher `term`: the caller was stopped, or cut off, and
   * does not know yet that another autoscaler leads).
   */
  'sfu.cordon': {
    version: 1,
    payload: z.object({
      state: NodeState,
      drainSeconds: DrainSeconds,
      term: z
        .int()
        .positive()
        .optional()
        .describe('Term of the autoscaler that scales and gives the order. Absent: an operator gives it.'),
    }),
    reply: z.object({ state: ReportedNodeState }),
  },
  /** A drill: kills a mediasoup worker of the node with SIGKILL. Errors: DRILL_REFUSED, NOT_FOUND. */
  'sfu.kill_worker': {
    version: 1,
    payload: z.object({ worker: z.int().nonnegative().optional() }),
    reply: z.object({ worker: z.int().nonnegative() }),
  },
  /** A drill: the node kills itself and its workers with SIGKILL, 100 ms after its answer. Errors: DRILL_REFUSED. */
  'sfu.kill_node': { version: 1, payload: z.object({}), reply: z.object({}) },
  /**
   * Node to node: opens the sending end of the pipe that carries a room to `toNode`, the calling node, and sends the publications
   * through it. Those that fail are left out of the reply; `pipe_publication` returns the reason. A repetition replaces the pipe.
   */
  'sfu.open_pipe': {
    version: 1,
    payload: z.object({
      roomId: RoomId,
      toNode: NodeId,
      endpoint: PipeEndpoint,
      publicationIds: z.array(PublicationId).max(maxPublicationsOfNewPipe),
    }),
    reply: z.object({ endpoint: PipeEndpoint, publications: z.record(PublicationId, PipedPublication) }),
  },
  /** Node to node: sends a publication through the pipe to `toNode`. Idempotent. */
  'sfu.pipe_publication': {
    version: 1,
    payload: z.object({ roomId: RoomId, toNode: NodeId, publicationId: PublicationId }),
    reply: PipedPublication,
  },
  /** Node to node: stops sending a publication through the pipe, because `toNode` has no consumer of it. Idempotent. */
  'sfu.unpipe_publication': {
    version: 1,
    payload: z.object({ roomId: RoomId, toNode: NodeId, publicationId: PublicationId }),
    reply: z.object({}),
  },
  /**
   * Node to node: the layers that subscriptions on `toNode` use of a video that it receives through the pipe. A node that never sends it
   * uses all. Idempotent; the newest replaces the others. Errors: MEDIA_NOT_OPEN, PUBLICATION_NOT_FOUND (the producer is not sent
   * through the pipe).
   */
  'sfu.subscribed_layers': {
    version: 1,
    payload: z.object({
      roomId: RoomId,
      toNode: NodeId,
      publicationId: PublicationId,
      producerId: z.string().max(64),
      maxSpatialLayer: MaxSpatialLayer,
    }),
    reply: z.object({}),
  },
} as const satisfies Record<string, CommandSpec>;

/**
 * Served by each metadata relay, on a queue of its own. All but `connect` and `disconnect` throw METADATA_NOT_OPEN for a session
 * without a link to this relay.
 */
export const relayCommands = {
  /** A probe, after commands were not answered. */
  'relay.ping': { version: 1, payload: z.object({}), reply: z.object({}) },
  /** Opens the link of a session, replacing any that it has on this relay. Errors: NO_CAPACITY. */
  'relay.connect': {
    version: 1,
    payload: z.object({ ...ofSession, participantId: ParticipantId, dtlsParameters: DtlsParameters }),
    reply: signalRequests['metadata.connect'].reply,
  },
  /** Closes the link of a session. Idempotent. */
  'relay.disconnect': { version: 1, payload: z.object(ofSession), reply: z.object({}) },
  /** Declares a topic. Idempotent. Errors: TOPIC_CONFLICT, TOO_MANY_TOPICS. */
  'relay.publish': {
    version: 1,
    payload: z.object({ ...ofSession, ...TopicDeclaration.shape }),
    reply: z.object({ topic: TopicInfo }),
  },
  /** Idempotent. */
  'relay.unpublish': { version: 1, payload: z.object({ ...ofSession, topic: z.string() }), reply: z.object({}) },
  /** Adds topics to the subscriptions. Idempotent. Errors: TOO_MANY_TOPICS. */
  'relay.subscribe': {
    version: 1,
    payload: z.object({ ...ofSession, topics: TopicSelection }),
    reply: z.object({ topics: z.array(TopicInfo) }),
  },
  /** Idempotent. */
  'relay.unsubscribe': {
    version: 1,
    payload: z.object({ ...ofSession, topics: TopicSelection }),
    reply: z.object({}),
  },
  /** The quality of the link, valid for 5 s. */
  'relay.report': { version: 1, payload: z.object({ ...ofSession, ...LinkReport.shape }), reply: z.object({}) },
} as const satisfies Record<string, CommandSpec>;

export const commands = { ...registryCommands, ...sfuCommands, ...relayCommands } as const;

export type CommandType = keyof typeof commands;
/** Payload as a caller passes it. */
export type CommandPayload<T extends CommandType> = z.input<(typeof commands)[T]['payload']>;
/** Payload as a handler receives it: parsed, with defaults. */
export type ParsedCommandPayload<T extends CommandType> = z.output<(typeof commands)[T]['payload']>;
export type CommandReply<T extends CommandType> = z.output<(typeof commands)[T]['reply']>;

export type RegistryCommandType = keyof typeof registryCommands;
export type SfuCommandType = keyof typeof sfuCommands;
export type RelayCommandType = keyof typeof relayCommands;

/** The queue names of the command exchange. */
export const registryQueue = 'registry';
export const sfuQueue = (nodeId: string): string => `sfu.${nodeId}`;
export const relayQueue = (relayId: string): string => `relay.${relayId}`;
