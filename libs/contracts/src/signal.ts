/** Protocol flotilla.v1: what a client may ask for and what it is told. */
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
  Layers,
  MediaKind,
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
import { DisplayName, Publication, RoomSnapshot } from './room.ts';
import { roomEvents } from './room-events.ts';
import { TopologyUpdate } from './topology.ts';

const Nothing = z.strictObject({});
const transportId = z.string().max(64);
/** In the requests of a session that is being moved: this one is about its new side. */
const whileMoving = { migrationId: MigrationId.optional() };
/** The relay that `metadata.connect` answered with. */
const atRelay = { relayId: RelayId };
const publicationIds = z.array(PublicationId).min(1).max(256);

/** Requests of a client: `to` says whether it is about a room it is in, `payload` and `reply` are its two schemas. */
export const signalRequests = {
  join: {
    to: 'none',
    summary: 'Enter a room. The reply is the room as it is, and the transports of the session.',
    payload: z.strictObject({
      room: RoomRef,
      name: DisplayName.optional().describe('Shown to the others. Default: the name in the token.'),
      rtpCapabilities: RtpCapabilities.optional().describe(
        'What this client can receive. Without it no media is opened.',
      ),
      subscribe: z.boolean().default(true).describe('Subscribe at once to everything published.'),
    }),
    reply: z.object({
      participantId: ParticipantId,
      snapshot: RoomSnapshot,
      media: MediaSessionParameters.optional(),
    }),
  },
  resume: {
    to: 'none',
    summary: 'After a reconnect: say what was seen last, receive what was missed, in order, before anything newer.',
    payload: z.strictObject({
      offsets: z
        .record(StreamAddress, Offset)
        .describe('For each address that events came to (`room:<id>`, `user:<id>`, `*`), the last `seq` seen.'),
    }),
    reply: z.object({
      missed: z
        .array(StreamAddress)
        .describe(
          'Of `user:<id>` and `*`: those whose missed messages are not all there any more. What is left was sent.',
        ),
      rooms: z.array(
        z.object({
          roomId: RoomId,
          participantId: ParticipantId,
          resumed: z.boolean().describe('False: the missed events are gone, `snapshot` is the room as it is.'),
          snapshot: RoomSnapshot.optional(),
        }),
      ),
    }),
  },
  leave: { to: 'room', summary: 'Leave a room.', payload: Nothing, reply: z.object({}) },
  open_media: {
    to: 'room',
    summary: 'Open the transports of a session anew, after `media_lost` or after a reconnect that found them dead.',
    payload: z.strictObject({ rtpCapabilities: RtpCapabilities, subscribe: z.boolean().default(true) }),
    reply: MediaSessionParameters,
  },
  connect_transport: {
    to: 'room',
    summary: "Hand in the client's DTLS parameters.",
    payload: z.strictObject({ ...whileMoving, transportId, dtlsParameters: DtlsParameters }),
    reply: z.object({}),
  },
  restart_ice: {
    to: 'room',
    summary: 'New ICE credentials for a transport whose network path changed.',
    payload: z.strictObject({ ...whileMoving, transportId }),
    reply: z.object({ iceParameters: IceParameters }),
  },
  publish: {
    to: 'room',
    summary: "Offer media to the room. With `publicationId`, put a new producer behind a publication of one's own.",
    payload: z.strictObject({
      ...whileMoving,
      kind: MediaKind,
      source: Source,
      rtpParameters: RtpParameters,
      label: z.string().max(128).optional(),
      muted: z.boolean().default(false),
      publicationId: PublicationId.optional(),
    }),
    reply: z.object({ publication: Publication }),
  },
  unpublish: {
    to: 'room',
    summary: 'Withdraw a publication.',
    payload: z.strictObject({ ...whileMoving, publicationId: PublicationId }),
    reply: z.object({}),
  },
  mute: {
    to: 'room',
    summary: "Pause or resume a publication of one's own.",
    payload: z.strictObject({ ...whileMoving, publicationId: PublicationId, muted: z.boolean() }),
    reply: z.object({}),
  },
  subscribe: {
    to: 'room',
    summary:
      'Receive publications. One that starts paused waits for `update_subscriptions`, so that no key frame is lost.',
    payload: z.strictObject({ ...whileMoving, publicationIds }),
    reply: z.object({
      subscriptions: z.array(Subscription),
      failed: z.array(z.object({ publicationId: PublicationId, error: ErrorBody })),
    }),
  },
  unsubscribe: {
    to: 'room',
    summary: 'Stop receiving publications.',
    payload: z.strictObject({ ...whileMoving, publicationIds }),
    reply: z.object({}),
  },
  update_subscriptions: {
    to: 'room',
    summary: 'Pause or resume subscriptions, or choose their layers and priority.',
    payload: z.strictObject({
      ...whileMoving,
      publicationIds,
      paused: z.boolean().optional(),
      layers: Layers.optional(),
      priority: z.int().min(1).max(255).optional(),
    }),
    reply: z.object({}),
  },
  message: {
    to: 'any',
    summary:
      'Say something to everybody in a room, oneself included (`room:<id>`), to all sessions of a user (`user:<id>`), or to everybody (`*`, grant `broadcast`). A room one is not in takes it when the token names it in `bridge` and the room was created with `acceptBridged`.',
    payload: z.strictObject({ data: z.unknown() }),
    reply: z.object({ seq: Offset.describe('Where it stands among the messages to that address.') }),
  },
  migrated: {
    to: 'room',
    summary: 'After `migrate`: everything is received and sent on the new side; it counts from now on.',
    payload: z.strictObject({ migrationId: MigrationId }),
    reply: z.object({}),
  },
  migration_failed: {
    to: 'room',
    summary: 'After `migrate`: the new side could not be reached, the old one goes on.',
    payload: z.strictObject({ migrationId: MigrationId, reason: z.string().max(256) }),
    reply: z.object({}),
  },
  migration_report: {
    to: 'room',
    summary: 'Some time after `migrated`, if one likes: what the move cost. Those who watch the fleet are told.',
    payload: z.strictObject({ migrationId: MigrationId, ...MigrationReport.shape }),
    reply: z.object({}),
  },
  negotiate: {
    to: 'room',
    summary:
      'In a room whose `mediaMode` is `peer`: pass a part of the offer/answer exchange to the other participant. The server keeps the state of each pair and refuses what does not fit it.',
    payload: Negotiation,
    reply: z.object({ state: NegotiationState }),
  },
  'metadata.connect': {
    to: 'room',
    summary:
      'Open a link for metadata: a peer connection to a relay with three data channels. After `metadata_moved`, or when the link is lost, once more.',
    payload: z.strictObject({
      dtlsParameters: DtlsParameters.describe("The client's, of the offer it made."),
      exceptRelay: RelayId.optional().describe('A relay that could not be reached.'),
    }),
    reply: MetadataSession,
  },
  'metadata.disconnect': {
    to: 'room',
    summary: 'Close a link for metadata; what was published and subscribed over it ends.',
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
    summary: "Send no more on a topic; one's retained value goes.",
    payload: z.strictObject({ ...atRelay, topic: TopicName }),
    reply: z.object({}),
  },
  'metadata.subscribe': {
    to: 'room',
    summary:
      'Receive topics, those there are and those to come, from their retained values on (grant `subscribe`). `*` means all.',
    payload: z.strictObject({ ...atRelay, topics: TopicSelection }),
    reply: z.object({ topics: z.array(TopicInfo).describe('Those of them that there are now.') }),
  },
  'metadata.unsubscribe': {
    to: 'room',
    summary: 'Receive topics no more. `*` ends all subscriptions.',
    payload: z.strictObject({ ...atRelay, topics: TopicSelection }),
    reply: z.object({}),
  },
  'metadata.report': {
    to: 'room',
    summary:
      'What the client measures of its link, at most once a second and while it is worse than it should be: the relay chooses the channel of adaptive topics by it.',
    payload: z.strictObject({ ...atRelay, ...LinkReport.shape }),
    reply: z.object({}),
  },
  refresh_token: {
    to: 'none',
    summary: 'Hand in a new token of the same user before the one in use expires; its grants count from now on.',
    payload: z.strictObject({ token: z.string().min(1).max(8192) }),
    reply: z.object({ expiresAt: z.int().describe('When the new token expires, ms since the Unix epoch.') }),
  },
  watch_topology: {
    to: 'none',
    summary:
      'Be told of the whole fleet (grant `admin`): everything at once, then what changed, as `topology_update`: of nodes and migrations each second, of the rest every 5 s.',
    payload: Nothing,
    reply: z.object({}),
  },
  unwatch_topology: { to: 'none', summary: 'No more `topology_update`.', payload: Nothing, reply: z.object({}) },
  drill: {
    to: 'none',
    summary:
      'Drill a failure or a move (grant `admin`): migrate a participant, drain or take back a node, kill a media worker or a node, cut a socket. Answered when it is begun; `topology_update` tells what comes of it.',
    payload: Drill,
    reply: DrillStarted,
  },
  ping: { to: 'none', summary: 'Measure the way to the gateway and back.', payload: Nothing, reply: z.object({}) },
} as const satisfies Record<
  string,
  { to: 'none' | 'room' | 'any'; summary: string; payload: z.ZodType; reply: z.ZodType }
>;

export type RequestType = keyof typeof signalRequests;
/** What a client writes. Fields with a default may be left out. */
export type RequestPayload<T extends RequestType> = z.input<(typeof signalRequests)[T]['payload']>;
export type ReplyPayload<T extends RequestType> = z.infer<(typeof signalRequests)[T]['reply']>;

/** Events of the connection itself; they carry no `seq`. */
export const connectionEvents = {
  /** The first message on every connection. */
  welcome: z.object({
    sessionId: SessionId,
    resumed: z.boolean().describe('The session was here before: send `resume` next, with the offsets.'),
    resumeToken: z.string().describe('Opens one more connection to this session, within the resume window.'),
    resumeWindowSeconds: z.number(),
    heartbeatSeconds: z.number(),
    expiresAt: z.int().describe('When the token expires, ms since the Unix epoch: refresh it before.'),
    offsets: z
      .record(StreamAddress, Offset)
      .describe('Where the messages to this user and to everybody stand; what is said after comes as events.'),
    rtpCapabilities: RtpCapabilities.optional().describe(
      "The SFU nodes' capabilities, to load a device with. Not told again to a session that resumed.",
    ),
  }),
  /** The token expires soon: send `refresh_token`. */
  token_expiring: z.object({ expiresAt: z.int() }),
  /** This gateway is about to stop: connect again with the resume token, to be let in by another. */
  move: z.object({ reason: z.string() }),
  /** Comes to whoever asked with `watch_topology`. */
  topology_update: TopologyUpdate,
} as const;

export type ConnectionEventType = keyof typeof connectionEvents;

/** Messages to a user (`user:<id>`) or to everybody (`*`); they carry a `seq` of that address. */
export const addressEvents = { message: roomEvents.message } as const;

/** Everything a client may be told, with the schema of its payload. */
export const signalEvents = { ...connectionEvents, ...addressEvents, ...roomEvents } as const;
export type SignalEventType = keyof typeof signalEvents;
export type SignalEventPayload<T extends SignalEventType> = z.infer<(typeof signalEvents)[T]>;
