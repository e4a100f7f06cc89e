/**
 * The events of a room. They are the entries of the room's stream, which is the source of truth about the room; gateways
 * forward the entries unchanged.
 */
import { z } from 'zod';
import { MaxPublishBitrate, RoomGrant } from './grants.ts';
import { MigrationId, NodeId, ParticipantId, PublicationId, RelayId, SessionId } from './ids.ts';
import { MaxSpatialLayer, MediaSessionParameters } from './media.ts';
import { MigrationReason } from './migration.ts';
import { NegotiationEvent } from './negotiation.ts';
import { knownOf, orElse } from './newer.ts';
import { MediaMode, Participant, ParticipantConnection, Publication } from './room.ts';

export const LeaveReason = z
  .enum(['left', 'disconnected', 'removed', 'revoked', 'failed'])
  .describe(
    'Why a participant left. `left`: it left or closed its session. `disconnected`: its connection dropped and did not resume in time. `removed`: a backend removed it, or its new token does not cover the room. `revoked`: an operator ended its session. `failed`: it joined, and its media could not be opened.',
  );
export type LeaveReason = z.infer<typeof LeaveReason>;

export const RemovalReason = z
  .enum(['bitrate_exceeded'])
  .describe(
    'Why the server ended a publication. `bitrate_exceeded`: the participant sent more than its maximum bit rate, although RTCP asked it to send less.',
  );
export type RemovalReason = z.infer<typeof RemovalReason>;

export const DisconnectReason = z
  .enum(['not_connected', 'consent_expired', 'dtls_closed'])
  .describe(
    'Why a transport is disconnected. `not_connected`: the client did not connect it in time after `connect_transport`. `consent_expired`: the client sent no STUN requests any more (RFC 7675). `dtls_closed`: the client closed it, or DTLS failed.',
  );
export type DisconnectReason = z.infer<typeof DisconnectReason>;

export const roomEvents = {
  participant_joined: z.object({ participant: Participant }),
  participant_left: z.object({
    participantId: ParticipantId,
    reason: orElse(LeaveReason, 'left'),
    publicationIds: z.array(PublicationId).describe('The publications of the participant, which end.'),
  }),
  participant_connection: z.object({
    participantId: ParticipantId,
    connection: orElse(ParticipantConnection, 'connected'),
  }),
  grants_changed: z.object({
    participantId: ParticipantId,
    grants: knownOf(RoomGrant).describe(
      'Its grants from now on. What they do not cover is closed: its publications, or its subscriptions.',
    ),
    maxPublishBitrate: MaxPublishBitrate.optional(),
  }),
  publication_added: z.object({ publication: Publication }),
  publication_updated: z.object({ publication: Publication }),
  publication_removed: z.object({
    publicationId: PublicationId,
    participantId: ParticipantId,
    reason: orElse(RemovalReason, 'bitrate_exceeded').optional(),
  }),
  speakers: z.object({
    nodeId: z.string().describe('The SFU node that measured. Its list replaces its previous one.'),
    speakers: z
      .array(
        z.object({
          participantId: ParticipantId,
          level: z
            .int()
            .min(-127)
            .max(0)
            .describe('Audio level in dBov (RFC 6464): 0 is the loudest, -127 is silence.'),
        }),
      )
      .describe('The participants that speak, the loudest first.'),
  }),
  active_speaker: z.object({ participantId: ParticipantId.describe('The dominant speaker.') }),
  message: z.object({ data: z.unknown().describe('Any JSON value, as its sender sent it.') }),
  media_lost: z.object({
    participantIds: z.array(ParticipantId).describe('The participants whose transports are closed.'),
    reason: orElse(z.enum(['worker_died', 'node_lost']), 'node_lost').describe(
      '`worker_died`: a media worker of the node died. `node_lost`: the node failed or stopped.',
    ),
    nodeId: NodeId.optional().describe(
      'The node that closed them. A participant whose media is on another node loses nothing. Absent: the node that the participant was assigned to.',
    ),
  }),
  media_mode: z.object({ mediaMode: MediaMode }),
  negotiation: NegotiationEvent,
  migrate: z.object({
    migrationId: MigrationId,
    media: MediaSessionParameters.describe('Transports and subscriptions of the new side.'),
    deadline: z
      .int()
      .describe(
        "When the migration is rolled back unless `migrated` arrived, in milliseconds since the Unix epoch, by the server's clock.",
      ),
    reason: orElse(MigrationReason, 'manual'),
  }),
  migration_rolled_back: z.object({ migrationId: MigrationId }),
  participant_moved: z.object({
    participantId: ParticipantId,
    nodeId: NodeId.describe('The new node.'),
    migrationId: MigrationId.optional().describe(
      'Absent when the participant was assigned to another node because its node was lost.',
    ),
  }),
  subscriptions_ended: z.object({
    nodeId: NodeId.describe('The SFU node that closes them: the previous one after a migration, else the current one.'),
    publicationIds: z
      .array(PublicationId)
      .describe(
        'Publications subscribed to on the previous node during a migration, or received by the current node through a media worker that died. They continue: subscribe to them again.',
      ),
  }),
  subscribed_layers: z.object({
    publicationId: PublicationId.describe('An own publication of video.'),
    producerId: z
      .string()
      .describe(
        'The producer that it is about. A new producer of the publication begins with all layers subscribed to.',
      ),
    maxSpatialLayer: MaxSpatialLayer,
  }),
  subscriptions_limited: z.object({
    transportId: z.string().describe('The receive transport. A list of another transport does not count for it.'),
    publicationIds: z
      .array(PublicationId)
      .describe(
        'All subscriptions that the server has paused because the downlink is too narrow. Replaces the previous list of the transport; one that is not named is sent again.',
      ),
  }),
  transport_disconnected: z.object({
    transportId: z.string().describe('The transport. It stays open: `restart_ice` may connect it again.'),
    reason: orElse(DisconnectReason, 'consent_expired'),
  }),
  metadata_moved: z.object({
    relayId: RelayId.describe('The previous relay.'),
    reason: orElse(z.enum(['draining', 'lost']), 'lost').describe(
      '`draining`: the link works until the relay stops. `lost`: the link is closed.',
    ),
  }),
  room_deleted: z.object({}),
} as const;

export type RoomEventType = keyof typeof roomEvents;
export type RoomEventPayload<T extends RoomEventType> = z.infer<(typeof roomEvents)[T]>;

/**
 * An entry of a room's stream. `only` restricts delivery to these sessions. `trace` is W3C trace context, `at` when a
 * gateway received it (milliseconds since the Unix epoch); neither leaves the fleet.
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

/** Readers drop unknown types and fields, which newer services may write. */
export const RoomEvent = z.discriminatedUnion('type', [
  variant('participant_joined'),
  variant('participant_left'),
  variant('participant_connection'),
  variant('grants_changed'),
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
  variant('subscriptions_ended'),
  variant('subscribed_layers'),
  variant('subscriptions_limited'),
  variant('transport_disconnected'),
  variant('metadata_moved'),
  variant('room_deleted'),
]);
