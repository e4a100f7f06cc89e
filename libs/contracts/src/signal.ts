/** Protocol flotilla.v1: the requests that clients send, with their replies, and the events that they receive. */
import { z } from 'zod';
import {
  MigrationId,
  Offset,
  ParticipantId,
  PublicationId,
  RelayId,
  RoomId,
  RoomRef,
  SessionId,
  StreamAddress,
} from './ids.ts';
import {
  DtlsParameters,
  IceParameters,
  iceServersField,
  Layers,
  MediaKind,
  MediaReport,
  MediaSessionParameters,
  RtpCapabilities,
  RtpParameters,
  Source,
  Subscription,
} from './media.ts';
import { LinkReport, MetadataSession, TopicDeclaration, TopicInfo, TopicName, TopicSelection } from './metadata.ts';
import { ErrorBody } from './errors.ts';
import { Negotiation, NegotiationState } from './negotiation.ts';
import { MigrationReport } from './migration.ts';
import { Drill, DrillStarted } from './drill.ts';
import { DisplayName, Participant, ParticipantCursor, participantPage, Publication, RoomSnapshot } from './room.ts';
import { Label } from './shown-text.ts';
import { roomEvents } from './room-events.ts';
import { TopologyUpdate } from './topology.ts';

const Nothing = z.strictObject({});
const transportId = z
  .string()
  .max(64)
  .describe('`id` of a transport, from the reply to `join` or `open_media`, or from `migrate`.');
/** Requests about one of the two nodes of a session during its migration. */
const duringMigration = {
  migrationId: MigrationId.optional().describe(
    'From `migrate`: this request is about the new node. Absent: about the current node. After the commit both are the new node; after a rollback a request with it is answered MIGRATION_NOT_ACTIVE.',
  ),
};
const atRelay = { relayId: RelayId.describe('From the reply to `metadata.connect`.') };
/** Publications in one request at most. The reply to `subscribe` has some 1.5 KB for each. */
export const maxPublicationsPerRequest = 64;

const publicationIds = z
  .array(PublicationId)
  .min(1)
  .max(maxPublicationsPerRequest)
  .refine((ids) => new Set(ids).size === ids.length, 'each publication once')
  .meta({ uniqueItems: true })
  .describe(`The publications, each once, at most ${maxPublicationsPerRequest}.`);
const subscribe = z
  .boolean()
  .default(true)
  .describe(
    'Subscribe to the publications of the room: the reply has the first subscriptions, `subscribe` requests the others and those to come.',
  );

/** Requests by type. `to` is the kind of address a request takes; `payload` and `reply` are its two schemas. */
export const signalRequests = {
  join: {
    to: 'none',
    summary:
      'Enter a room. The reply has the state of the room, of a large one the first page, and the transports of the session.',
    payload: z.strictObject({
      room: RoomRef,
      name: DisplayName.optional().describe('Display name for the other participants. Default: the name in the token.'),
      rtpCapabilities: RtpCapabilities.optional().describe(
        'What this client can receive. Without it, no media is opened.',
      ),
      subscribe,
    }),
    reply: z.object({
      participantId: ParticipantId.describe('Id of this session in the room.'),
      snapshot: RoomSnapshot,
      media: MediaSessionParameters.optional().describe(
        'Transports and subscriptions. Absent without `rtpCapabilities`, and while `mediaMode` is `peer`.',
      ),
      ...iceServersField,
    }),
  },
  resume: {
    to: 'none',
    summary: 'After a reconnect: send the last offsets seen. Missed events follow in order, before newer ones.',
    payload: z.strictObject({
      offsets: z
        .record(StreamAddress, Offset)
        .describe('The last `seq` seen of each address (`room:<id>`, `user:<id>`, `*`).'),
    }),
    reply: z.object({
      missed: z
        .array(StreamAddress)
        .describe(
          'Those of `user:<id>` and `*` whose missed messages were partly trimmed. The remaining ones are sent.',
        ),
      rooms: z
        .array(
          z.object({
            roomId: RoomId,
            participantId: ParticipantId.describe('Id of this session in the room.'),
            resumed: z
              .boolean()
              .describe('False: the missed events were trimmed; `snapshot` is the current state of the room.'),
            snapshot: RoomSnapshot.optional().describe('Only with `resumed: false`.'),
          }),
        )
        .describe('The rooms of the session.'),
    }),
  },
  list_participants: {
    to: 'room',
    summary:
      'List further participants of a room, with their publications, when a snapshot or the page before has `next`. A page is at most 32 KiB.',
    payload: z.strictObject({ cursor: ParticipantCursor }),
    reply: z.object({
      ...participantPage,
      participants: z
        .array(Participant)
        .describe('Participants in the order in which they joined; the session itself may be among them.'),
    }),
  },
  leave: { to: 'room', summary: 'Leave a room.', payload: Nothing, reply: z.object({}) },
  open_media: {
    to: 'room',
    summary: 'Open new transports for a session, after `media_lost` or when a request was refused with MEDIA_NOT_OPEN.',
    payload: z.strictObject({ rtpCapabilities: RtpCapabilities.describe('What this client can receive.'), subscribe }),
    reply: MediaSessionParameters.extend(iceServersField),
  },
  connect_transport: {
    to: 'room',
    summary: "Send the client's DTLS parameters for a transport.",
    payload: z.strictObject({ ...duringMigration, transportId, dtlsParameters: DtlsParameters }),
    reply: z.object({}),
  },
  restart_ice: {
    to: 'room',
    summary: 'Get new ICE credentials for a transport whose network path changed.',
    payload: z.strictObject({ ...duringMigration, transportId }),
    reply: z.object({ iceParameters: IceParameters }),
  },
  publish: {
    to: 'room',
    summary:
      'Publish media in the room. With `publicationId`, replace the producer of an existing publication of this session.',
    payload: z.strictObject({
      ...duringMigration,
      kind: MediaKind,
      source: Source,
      rtpParameters: RtpParameters.describe('What the client sends, from `produce` of mediasoup-client.'),
      label: Label.optional(),
      muted: z.boolean().default(false).describe('Publish it muted.'),
      publicationId: PublicationId.optional().describe(
        'An own publication whose producer is replaced. Default: a new one.',
      ),
    }),
    reply: z.object({ publication: Publication }),
  },
  unpublish: {
    to: 'room',
    summary: 'End a publication.',
    payload: z.strictObject({ ...duringMigration, publicationId: PublicationId }),
    reply: z.object({}),
  },
  mute: {
    to: 'room',
    summary: 'Mute or unmute an own publication; its producer is paused or resumed.',
    payload: z.strictObject({
      ...duringMigration,
      publicationId: PublicationId,
      muted: z.boolean().describe('True to mute.'),
    }),
    reply: z.object({}),
  },
  subscribe: {
    to: 'room',
    summary:
      'Receive publications. A subscription that starts paused needs `update_subscriptions` once its receiver exists, so that the first key frame is not lost. During a migration and without its `migrationId`, it applies to the previous node only, and `subscriptions_ended` follows the commit.',
    payload: z.strictObject({ ...duringMigration, publicationIds }),
    reply: z.object({
      subscriptions: z.array(Subscription).describe('Those that were made.'),
      failed: z
        .array(z.object({ publicationId: PublicationId, error: ErrorBody }))
        .describe('Those that were refused, with the error of each.'),
    }),
  },
  unsubscribe: {
    to: 'room',
    summary: 'Stop receiving publications.',
    payload: z.strictObject({ ...duringMigration, publicationIds }),
    reply: z.object({}),
  },
  update_subscriptions: {
    to: 'room',
    summary: 'Pause or resume subscriptions, or choose their layers and priority.',
    payload: z.strictObject({
      ...duringMigration,
      publicationIds,
      paused: z.boolean().optional().describe('True: send no media. Default: unchanged.'),
      layers: Layers.optional().describe('Highest layers to receive. Default: unchanged, at first the highest.'),
      priority: z
        .int()
        .min(1)
        .max(255)
        .optional()
        .describe(
          'Order in which bandwidth is allocated when it is short; 255 comes first. Default: unchanged, at first 1.',
        ),
    }),
    reply: z.object({}),
  },
  message: {
    to: 'any',
    summary:
      'Send a message to all participants of a room, the sender included (`room:<id>`), to all sessions of a user (`user:<id>`), or to every session (`*`, grant `broadcast`). A room that the session has not joined accepts it if the token names the room in `bridge`, the room was created with `acceptBridged`, and the user is not banned from it.',
    payload: z.strictObject({ data: z.unknown().describe('Any JSON value.') }),
    reply: z.object({ seq: Offset.describe('Offset of the message in the stream of that address.') }),
  },
  migrated: {
    to: 'room',
    summary:
      'After `migrate`: commit the migration. Send it when everything is received and published on the new node, which becomes the current one; a publication without a producer there ends. Idempotent: repeat it until it is answered or `participant_moved` arrives. MIGRATION_NOT_ACTIVE: it was rolled back, stay on the old node.',
    payload: z.strictObject({ migrationId: MigrationId.describe('From `migrate`.') }),
    reply: z.object({}),
  },
  migration_failed: {
    to: 'room',
    summary:
      'After `migrate`: roll the migration back, because the new node could not be used. The session stays on the old node. Idempotent; without this request the migration is rolled back at its deadline.',
    payload: z.strictObject({
      migrationId: MigrationId.describe('From `migrate`.'),
      reason: z.string().max(256).describe('What failed, for the log. At most 256 characters.'),
    }),
    reply: z.object({}),
  },
  migration_report: {
    to: 'room',
    summary:
      'Optional, after `migrated`: report the duration and the media gap of the migration. It shows in the topology and in metrics.',
    payload: z.strictObject({ migrationId: MigrationId.describe('From `migrate`.'), ...MigrationReport.shape }),
    reply: z.object({}),
  },
  media_report: {
    to: 'room',
    summary:
      'Optional, after `join` and after `open_media` on the loss of a node: report how long media took to arrive. It shows in metrics alone. One report counts for each of them; others are ignored.',
    payload: MediaReport,
    reply: z.object({}),
  },
  negotiate: {
    to: 'room',
    summary:
      'In a room whose `mediaMode` is `peer`: forward a part of the offer/answer exchange to the other participant. The server keeps the signaling state of each pair and refuses a part that does not fit it.',
    payload: Negotiation,
    reply: z.object({ state: NegotiationState.describe('State of the negotiation, from the side of this session.') }),
  },
  'metadata.connect': {
    to: 'room',
    summary:
      'Open a metadata link: a peer connection to a relay with three data channels. Repeat it after `metadata_moved` and when the link is lost.',
    payload: z.strictObject({
      dtlsParameters: DtlsParameters.describe('Fingerprints of the SDP offer that the client made.'),
      exceptRelay: RelayId.optional().describe(
        'The relay of the last link, when it could not be reached: another one is assigned. Any other relay is ignored.',
      ),
    }),
    reply: MetadataSession,
  },
  'metadata.disconnect': {
    to: 'room',
    summary: 'Close a metadata link, with its topics and subscriptions.',
    payload: z.strictObject(atRelay),
    reply: z.object({}),
  },
  'metadata.publish': {
    to: 'room',
    summary: 'Declare a topic, to send frames of it over the link (grant `publish`).',
    payload: z.strictObject({ ...atRelay, ...TopicDeclaration.shape }),
    reply: z.object({ topic: TopicInfo }),
  },
  'metadata.unpublish': {
    to: 'room',
    summary: 'Stop publishing a topic. The retained value of this participant is deleted.',
    payload: z.strictObject({ ...atRelay, topic: TopicName }),
    reply: z.object({}),
  },
  'metadata.subscribe': {
    to: 'room',
    summary:
      'Receive topics, existing and future ones, beginning with their retained values (grant `subscribe`). `*` means all topics.',
    payload: z.strictObject({ ...atRelay, topics: TopicSelection }),
    reply: z.object({ topics: z.array(TopicInfo).describe('Those of the topics that exist already.') }),
  },
  'metadata.unsubscribe': {
    to: 'room',
    summary: 'Stop receiving topics. `*` ends all subscriptions.',
    payload: z.strictObject({ ...atRelay, topics: TopicSelection }),
    reply: z.object({}),
  },
  'metadata.report': {
    to: 'room',
    summary:
      'Report the link quality that the client measures, at most once per second, while the link is degraded. It decides which channel carries adaptive topics to this client.',
    payload: z.strictObject({ ...atRelay, ...LinkReport.shape }),
    reply: z.object({}),
  },
  refresh_token: {
    to: 'none',
    summary: 'Replace the token before it expires, with a new one of the same user. Its grants apply from now on.',
    payload: z.strictObject({ token: z.string().min(1).max(8192).describe('A join token of the same user.') }),
    reply: z.object({
      expiresAt: z.int().describe('When the new token expires, in milliseconds since the Unix epoch.'),
      ...iceServersField,
    }),
  },
  watch_topology: {
    to: 'none',
    summary:
      'Watch the fleet (grant `admin`) through `topology_update` events: its full state first, then changes of nodes and migrations every second, other changes every 5 s.',
    payload: Nothing,
    reply: z.object({}),
  },
  unwatch_topology: { to: 'none', summary: 'Stop `topology_update` events.', payload: Nothing, reply: z.object({}) },
  drill: {
    to: 'none',
    summary:
      'Inject a failure or start a move (grant `admin`): migrate a participant, drain or uncordon a node, kill a media worker or a node, cut a connection. The reply comes when it has begun; `topology_update` shows the outcome.',
    payload: Drill,
    reply: DrillStarted,
  },
  ping: { to: 'none', summary: 'Measure the round trip to the gateway.', payload: Nothing, reply: z.object({}) },
} as const satisfies Record<
  string,
  { to: 'none' | 'room' | 'any'; summary: string; payload: z.ZodType; reply: z.ZodType }
>;

export type RequestType = keyof typeof signalRequests;
/** As a client sends it: fields with a default are optional. */
export type RequestPayload<T extends RequestType> = z.input<(typeof signalRequests)[T]['payload']>;
export type ReplyPayload<T extends RequestType> = z.infer<(typeof signalRequests)[T]['reply']>;

/** Events of the connection itself; they carry no `seq`. */
export const connectionEvents = {
  welcome: z.object({
    sessionId: SessionId,
    resumed: z.boolean().describe('True when an existing session was resumed: send `resume` next, with the offsets.'),
    resumeToken: z.string().describe('Single-use token for the next connection to this session.'),
    resumeWindowSeconds: z
      .number()
      .describe('Time for which the session is kept after its connection drops, in seconds.'),
    heartbeatSeconds: z.number().describe('Interval of WebSocket pings from the server, in seconds.'),
    expiresAt: z
      .int()
      .describe('When the token expires, in milliseconds since the Unix epoch. Send `refresh_token` before.'),
    offsets: z
      .record(StreamAddress, Offset)
      .describe('Current offsets of the streams `user:<id>` and `*`. Later messages arrive as events.'),
    rtpCapabilities: RtpCapabilities.optional().describe(
      'RTP capabilities of the SFU nodes, to load a device with. Absent when a session resumed.',
    ),
  }),
  token_expiring: z.object({
    expiresAt: z.int().describe('When the token expires, in milliseconds since the Unix epoch.'),
  }),
  move: z.object({ reason: z.string().describe('Why, for the log.') }),
  topology_update: TopologyUpdate,
} as const;

export type ConnectionEventType = keyof typeof connectionEvents;

/** Messages to a user (`user:<id>`) or to everybody (`*`); they carry a `seq` of that address. */
export const addressEvents = { message: roomEvents.message } as const;

/** Every event, with the schema of its payload. `eventExamples` says when each is sent. */
export const signalEvents = { ...connectionEvents, ...addressEvents, ...roomEvents } as const;
export type SignalEventType = keyof typeof signalEvents;
export type SignalEventPayload<T extends SignalEventType> = z.infer<(typeof signalEvents)[T]>;
