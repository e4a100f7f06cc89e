/** Protocol flotilla.v1: what a client may ask for and what it is told. */
import { z } from 'zod';
import { Offset, ParticipantId, PublicationId, RoomId, RoomRef, SessionId } from './ids.ts';
import {
  DtlsParameters,
  IceParameters,
  Layers,
  MediaKind,
  MediaSession,
  RtpCapabilities,
  RtpParameters,
  Source,
  Subscription,
} from './media.ts';
import { ErrorBody } from './errors.ts';
import { DisplayName, Publication, RoomSnapshot } from './room.ts';
import { roomEvents } from './room-events.ts';

const Nothing = z.strictObject({});
const transportId = z.string().max(64);
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
      media: MediaSession.optional(),
    }),
  },
  resume: {
    to: 'none',
    summary: 'After a reconnect: say what was seen last, receive what was missed, in order, before anything newer.',
    payload: z.strictObject({
      offsets: z.record(RoomId, Offset).describe('For each room, the last `seq` seen.'),
    }),
    reply: z.object({
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
    reply: MediaSession,
  },
  connect_transport: {
    to: 'room',
    summary: "Hand in the client's DTLS parameters.",
    payload: z.strictObject({ transportId, dtlsParameters: DtlsParameters }),
    reply: z.object({}),
  },
  restart_ice: {
    to: 'room',
    summary: 'New ICE credentials for a transport whose network path changed.',
    payload: z.strictObject({ transportId }),
    reply: z.object({ iceParameters: IceParameters }),
  },
  publish: {
    to: 'room',
    summary: "Offer media to the room. With `publicationId`, put a new producer behind a publication of one's own.",
    payload: z.strictObject({
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
    payload: z.strictObject({ publicationId: PublicationId }),
    reply: z.object({}),
  },
  mute: {
    to: 'room',
    summary: "Pause or resume a publication of one's own.",
    payload: z.strictObject({ publicationId: PublicationId, muted: z.boolean() }),
    reply: z.object({}),
  },
  subscribe: {
    to: 'room',
    summary:
      'Receive publications. One that starts paused waits for `update_subscriptions`, so that no key frame is lost.',
    payload: z.strictObject({ publicationIds }),
    reply: z.object({
      subscriptions: z.array(Subscription),
      failed: z.array(z.object({ publicationId: PublicationId, error: ErrorBody })),
    }),
  },
  unsubscribe: {
    to: 'room',
    summary: 'Stop receiving publications.',
    payload: z.strictObject({ publicationIds }),
    reply: z.object({}),
  },
  update_subscriptions: {
    to: 'room',
    summary: 'Pause or resume subscriptions, or choose their layers and priority.',
    payload: z.strictObject({
      publicationIds,
      paused: z.boolean().optional(),
      layers: Layers.optional(),
      priority: z.int().min(1).max(255).optional(),
    }),
    reply: z.object({}),
  },
  message: {
    to: 'room',
    summary: 'Say something to everybody in the room, oneself included.',
    payload: z.strictObject({ data: z.unknown() }),
    reply: z.object({ seq: Offset }),
  },
  ping: { to: 'none', summary: 'Measure the way to the gateway and back.', payload: Nothing, reply: z.object({}) },
} as const satisfies Record<string, { to: 'none' | 'room'; summary: string; payload: z.ZodType; reply: z.ZodType }>;

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
    rtpCapabilities: RtpCapabilities.optional().describe("The SFU nodes' capabilities, to load a device with."),
  }),
} as const;

export type ConnectionEventType = keyof typeof connectionEvents;

/** Everything a client may be told, with the schema of its payload. */
export const signalEvents = { ...connectionEvents, ...roomEvents } as const;
export type SignalEventType = keyof typeof signalEvents;
export type SignalEventPayload<T extends SignalEventType> = z.infer<(typeof signalEvents)[T]>;
