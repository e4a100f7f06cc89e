/**
 * Commands between services: do this, one answer. Each has an owner (the service that serves it) and a version that
 * rises when a payload changes in a way an older reader would misunderstand.
 */
import { z } from 'zod';
import { MigrationId, NodeId, ParticipantId, PublicationId, RoomId, SessionId } from './ids.ts';
import { DtlsParameters, MediaKind, MediaSessionParameters, RtpCapabilities, RtpParameters, Source } from './media.ts';
import { LinkReport, TopicDeclaration, TopicInfo, TopicSelection } from './metadata.ts';
import { Migration, MigrationReason, MigrationReport } from './migration.ts';
import { DrainSeconds, NodeState } from './node.ts';
import { Drill, DrillStarted } from './drill.ts';
import { Publication } from './room.ts';
import { signalRequests } from './signal.ts';

interface CommandSpec {
  readonly version: number;
  readonly payload: z.ZodType;
  readonly reply: z.ZodType;
}

/** Served by the room registry, on one shared queue. */
export const registryCommands = {
  /**
   * Begins to move a peer to another node, the given one or the best, and answers once that is under way. Errors:
   * NOT_IN_ROOM, NO_CAPACITY, MIGRATION_RUNNING, NODE_UNAVAILABLE; MIGRATION_NOT_ACTIVE when it is not on `fromNode` any more.
   */
  'registry.migrate': {
    version: 1,
    payload: z.object({
      roomId: RoomId,
      sessionId: SessionId,
      fromNode: NodeId.optional().describe('Where it is as the caller sees it.'),
      toNode: NodeId.optional(),
      reason: MigrationReason,
    }),
    reply: z.object({ migration: Migration }),
  },
  /** The client is on the new side. Repeated after a commit it answers as the first time. Errors: MIGRATION_NOT_ACTIVE. */
  'registry.migrated': {
    version: 1,
    payload: z.object({ migrationId: MigrationId, roomId: RoomId, sessionId: SessionId }),
    reply: z.object({}),
  },
  /** The client could not get to the new side and stays where it is. A second time does nothing. */
  'registry.migration_failed': {
    version: 1,
    payload: z.object({ migrationId: MigrationId, roomId: RoomId, sessionId: SessionId, reason: z.string().max(256) }),
    reply: z.object({}),
  },
  /** What a client that moved measured. Of a migration that is forgotten, or somebody else's, it is dropped. */
  'registry.migration_report': {
    version: 1,
    payload: z.object({ migrationId: MigrationId, sessionId: SessionId, ...MigrationReport.shape }),
    reply: z.object({}),
  },
  /** Begins what is to be drilled. Errors: those of the requests it stands for, NOT_FOUND, DRILL_REFUSED. */
  'registry.drill': {
    version: 1,
    payload: z.object({ drill: Drill, by: z.string().max(256).describe('Who asked, for the log.') }),
    reply: DrillStarted,
  },
} as const satisfies Record<string, CommandSpec>;

const ofSession = { roomId: RoomId, sessionId: SessionId };

/** The payload of a client's request of that type, with the session it comes from. */
function forSession<T extends z.ZodRawShape>(payload: z.ZodObject<T>) {
  return z.object({ ...ofSession, ...payload.shape });
}

const PipeEndpoint = z.object({
  ip: z.string().max(64),
  port: z.int().min(1).max(65_535),
  srtpParameters: z.object({ cryptoSuite: z.string().max(64), keyBase64: z.string().max(128) }),
});

/** Served by each SFU node, on a queue of its own. */
export const sfuCommands = {
  /** Opens the transports of a session, in place of any it has. */
  'sfu.open_session': {
    version: 1,
    payload: z.object({
      ...ofSession,
      participantId: ParticipantId,
      rtpCapabilities: RtpCapabilities,
      subscribe: z.boolean(),
    }),
    reply: MediaSessionParameters,
  },
  /** Answers when the node is alive. */
  'sfu.ping': { version: 1, payload: z.object({}), reply: z.object({}) },
  'sfu.connect_transport': {
    version: 1,
    payload: z.object({ ...ofSession, transportId: z.string(), dtlsParameters: DtlsParameters }),
    reply: z.object({}),
  },
  'sfu.restart_ice': {
    version: 1,
    payload: forSession(signalRequests.restart_ice.payload),
    reply: signalRequests.restart_ice.reply,
  },
  'sfu.publish': {
    version: 1,
    payload: z.object({
      ...ofSession,
      kind: MediaKind,
      source: Source,
      rtpParameters: RtpParameters,
      label: z.string().optional(),
      muted: z.boolean(),
      publicationId: PublicationId.optional(),
    }),
    reply: z.object({ publication: Publication }),
  },
  'sfu.unpublish': { version: 1, payload: forSession(signalRequests.unpublish.payload), reply: z.object({}) },
  'sfu.mute': { version: 1, payload: forSession(signalRequests.mute.payload), reply: z.object({}) },
  'sfu.subscribe': {
    version: 1,
    payload: forSession(signalRequests.subscribe.payload),
    reply: signalRequests.subscribe.reply,
  },
  'sfu.unsubscribe': { version: 1, payload: forSession(signalRequests.unsubscribe.payload), reply: z.object({}) },
  'sfu.update_subscriptions': {
    version: 1,
    payload: forSession(signalRequests.update_subscriptions.payload),
    reply: z.object({}),
  },
  /**
   * What the node is there for from now on; until it restarts. Answered once it has reported so. A node that drains ends
   * when it is empty, or after so many seconds.
   */
  'sfu.cordon': {
    version: 1,
    payload: z.object({ state: NodeState, drainSeconds: DrainSeconds }),
    reply: z.object({ state: NodeState }),
  },
  /** A drill: kills a mediasoup worker of the node, as a crash would. Errors: DRILL_REFUSED, NOT_FOUND. */
  'sfu.kill_worker': {
    version: 1,
    payload: z.object({ worker: z.int().nonnegative().optional() }),
    reply: z.object({ worker: z.int().nonnegative() }),
  },
  /** A drill: the node dies with its workers, as its machine would, once it has answered. Errors: DRILL_REFUSED. */
  'sfu.kill_node': { version: 1, payload: z.object({}), reply: z.object({}) },
  /** Node to node: opens the other end of the pipe that carries a room from the served node to the asking one. */
  'sfu.open_pipe': {
    version: 1,
    payload: z.object({ roomId: RoomId, toNode: NodeId, endpoint: PipeEndpoint }),
    reply: z.object({ endpoint: PipeEndpoint }),
  },
  /** Node to node: sends a publication through the pipe. */
  'sfu.pipe_publication': {
    version: 1,
    payload: z.object({ roomId: RoomId, toNode: NodeId, publicationId: PublicationId }),
    reply: z.object({ producerId: z.string(), kind: MediaKind, rtpParameters: RtpParameters, paused: z.boolean() }),
  },
  /** Node to node: nobody there consumes it any more. */
  'sfu.unpipe_publication': {
    version: 1,
    payload: z.object({ roomId: RoomId, toNode: NodeId, publicationId: PublicationId }),
    reply: z.object({}),
  },
} as const satisfies Record<string, CommandSpec>;

/** Served by each metadata relay, on a queue of its own. All but `connect` throw METADATA_NOT_OPEN for a session it does not have. */
export const relayCommands = {
  /** Opens the link of a session, in place of any it has here. Errors: NO_CAPACITY. */
  'relay.connect': {
    version: 1,
    payload: z.object({ ...ofSession, participantId: ParticipantId, dtlsParameters: DtlsParameters }),
    reply: signalRequests['metadata.connect'].reply,
  },
  /** Closes it; a second time does nothing. */
  'relay.disconnect': { version: 1, payload: z.object(ofSession), reply: z.object({}) },
  /** Errors: TOPIC_CONFLICT, TOO_MANY_TOPICS. */
  'relay.publish': {
    version: 1,
    payload: z.object({ ...ofSession, ...TopicDeclaration.shape }),
    reply: z.object({ topic: TopicInfo }),
  },
  'relay.unpublish': { version: 1, payload: z.object({ ...ofSession, topic: z.string() }), reply: z.object({}) },
  'relay.subscribe': {
    version: 1,
    payload: z.object({ ...ofSession, topics: TopicSelection }),
    reply: z.object({ topics: z.array(TopicInfo) }),
  },
  'relay.unsubscribe': {
    version: 1,
    payload: z.object({ ...ofSession, topics: TopicSelection }),
    reply: z.object({}),
  },
  'relay.report': { version: 1, payload: z.object({ ...ofSession, ...LinkReport.shape }), reply: z.object({}) },
} as const satisfies Record<string, CommandSpec>;

export const commands = { ...registryCommands, ...sfuCommands, ...relayCommands } as const;

export type CommandType = keyof typeof commands;
/** What a caller writes. */
export type CommandPayload<T extends CommandType> = z.input<(typeof commands)[T]['payload']>;
/** What a handler reads: parsed, defaults filled in. */
export type ParsedCommandPayload<T extends CommandType> = z.output<(typeof commands)[T]['payload']>;
export type CommandReply<T extends CommandType> = z.output<(typeof commands)[T]['reply']>;

export type RegistryCommandType = keyof typeof registryCommands;
export type SfuCommandType = keyof typeof sfuCommands;
export type RelayCommandType = keyof typeof relayCommands;

/** The queue names of the command exchange. */
export const registryQueue = 'registry';
export const sfuQueue = (nodeId: string): string => `sfu.${nodeId}`;
export const relayQueue = (relayId: string): string => `relay.${relayId}`;
