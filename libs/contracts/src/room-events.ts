/**
 * What is written to a room's event stream, and so what its participants are told. The stream is the truth about the room;
 * gateways forward its entries as they stand.
 */
import { z } from 'zod';
import { MigrationId, NodeId, ParticipantId, PublicationId, RelayId, SessionId } from './ids.ts';
import { MediaSessionParameters } from './media.ts';
import { MigrationReason } from './migration.ts';
import { ToldNegotiation } from './negotiation.ts';
import { MediaMode, Participant, ParticipantConnection, Publication } from './room.ts';

export const LeaveReason = z.enum(['left', 'disconnected', 'removed', 'room_deleted', 'failed']);
export type LeaveReason = z.infer<typeof LeaveReason>;

export const roomEvents = {
  participant_joined: z.object({ participant: Participant }),
  participant_left: z.object({
    participantId: ParticipantId,
    reason: LeaveReason,
    publicationIds: z.array(PublicationId).describe('Its publications; they ended with it.'),
  }),
  /** A participant's connection dropped and may resume within the resume window, or has resumed. */
  participant_connection: z.object({ participantId: ParticipantId, connection: ParticipantConnection }),
  publication_added: z.object({ publication: Publication }),
  publication_updated: z.object({ publication: Publication }),
  publication_removed: z.object({ publicationId: PublicationId, participantId: ParticipantId }),
  /** Who is heard. Only changes are told. `level` is in dBov: 0 is the loudest, -127 silence (RFC 6464). */
  speakers: z.object({
    nodeId: z.string().describe('The node whose participants these are; the list replaces its previous one.'),
    speakers: z.array(z.object({ participantId: ParticipantId, level: z.int().min(-127).max(0) })),
  }),
  /** Who leads the conversation now. */
  active_speaker: z.object({ participantId: ParticipantId }),
  /** Something an application sends to everybody in the room. */
  message: z.object({ data: z.unknown() }),
  /** The transports of these sessions died with their worker or node: open media again. */
  media_lost: z.object({ participantIds: z.array(ParticipantId), reason: z.enum(['worker_died', 'node_lost']) }),
  /** From now on media travels this way: `sfu` once a third person joined, see `peerToPeer`. Open media on the SFU. */
  media_mode: z.object({ mediaMode: MediaMode }),
  /** A part of a peer-to-peer negotiation, from the participant in `from`. */
  negotiation: ToldNegotiation,
  /** To the one who is to move: connect to these transports beside the old ones, then say `migrated`. */
  migrate: z.object({
    migrationId: MigrationId,
    media: MediaSessionParameters,
    deadline: z.int(),
    reason: MigrationReason,
  }),
  /** To the one who was to move: it is undone, stay on the old side. */
  migration_rolled_back: z.object({ migrationId: MigrationId }),
  /** A participant is homed on another node now. Its publications keep their ids. */
  participant_moved: z.object({
    participantId: ParticipantId,
    nodeId: NodeId,
    migrationId: MigrationId.optional(),
  }),
  /** To those with a link to this relay: connect again, publish and subscribe there, then disconnect from this one. */
  metadata_moved: z.object({
    relayId: RelayId,
    reason: z.enum(['draining', 'lost']).describe('`draining`: the link goes on until then. `lost`: it is gone.'),
  }),
  room_deleted: z.object({}),
} as const;

export type RoomEventType = keyof typeof roomEvents;
export type RoomEventPayload<T extends RoomEventType> = z.infer<(typeof roomEvents)[T]>;

/**
 * An entry of a room's stream. `only` limits who is told to these sessions; `trace` is W3C trace context, `at` when a
 * gateway received it (ms since the Unix epoch); both stay inside the fleet.
 */
export type RoomEvent<T extends RoomEventType = RoomEventType> = {
  [K in T]: {
    type: K;
    from: string;
    payload: RoomEventPayload<K>;
    only?: string[] | undefined;
    trace?: Record<string, string> | undefined;
    at?: number | undefined;
  };
}[T];

const common = {
  from: z.string(),
  only: z.array(SessionId).optional(),
  trace: z.record(z.string(), z.string()).optional(),
  at: z.number().optional(),
};
const variant = <T extends RoomEventType>(type: T) =>
  z.object({ type: z.literal(type), payload: roomEvents[type], ...common });

/** Unknown types and fields come from newer services and are let through or dropped by the reader, never an error. */
export const RoomEvent = z.discriminatedUnion('type', [
  variant('participant_joined'),
  variant('participant_left'),
  variant('participant_connection'),
  variant('publication_added'),
  variant('publication_updated'),
  variant('publication_removed'),
  variant('speakers'),
  variant('active_speaker'),
  variant('message'),
  variant('media_lost'),
  variant('media_mode'),
  variant('negotiation'),
  variant('migrate'),
  variant('migration_rolled_back'),
  variant('participant_moved'),
  variant('metadata_moved'),
  variant('room_deleted'),
]);
