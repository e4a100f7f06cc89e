/** Metadata: what applications send beside the media, by topic, over data channels to a relay. */
import { z } from 'zod';
import { RelayId } from './ids.ts';
import { TransportParameters } from './media.ts';
import { NodeState } from './node.ts';
import { Timestamp } from './room.ts';

/** Topics of a room, topics a session publishes, and topics it names in its subscriptions, at most. */
export const maxTopicsPerRoom = 256;
export const maxTopicsPerSession = 64;

/** The largest frame, in bytes, the relay's stamp included. */
export const maxMetadataFrameBytes = 16_384;

/** 1 to 128 letters, digits and `_ . / : -`, the first a letter or digit. */
export const TopicName = z.string().regex(/^[A-Za-z0-9][\w./:-]{0,127}$/, 'letters, digits and _ . / : -, at most 128');

/**
 * How a topic travels: `reliable` loses nothing, `unreliable` sends each frame once, `adaptive` is sent again at most three
 * times on a good link and once on a bad one.
 */
export const TopicMode = z.enum(['adaptive', 'reliable', 'unreliable']);
export type TopicMode = z.infer<typeof TopicMode>;

/** What a publisher says of a topic. All publishers of a topic say the same mode. */
export const TopicDeclaration = z.strictObject({
  topic: TopicName,
  mode: TopicMode.default('adaptive').describe('Anything but `adaptive` pins one way.'),
  retain: z.boolean().default(false).describe('Those who subscribe later get the last frame that asks for it.'),
});
export type TopicDeclaration = z.infer<typeof TopicDeclaration>;

export const TopicInfo = z.object({ name: TopicName, mode: TopicMode, retain: z.boolean() });
export type TopicInfo = z.infer<typeof TopicInfo>;

export const TopicSelection = z.union([z.literal('*'), z.array(TopicName).min(1).max(maxTopicsPerSession)]);
export type TopicSelection = z.infer<typeof TopicSelection>;

/**
 * The three data channels of a link, by what their sender does about loss, and their ids. The client creates them with
 * `negotiated: true` before it makes its offer: `reliable` (ordered), `limited` (`ordered: false, maxRetransmits: 3`),
 * `unreliable` (`ordered: false, maxRetransmits: 0`).
 */
export const channelIds = { reliable: 0, limited: 1, unreliable: 2 } as const;
export type ChannelKind = keyof typeof channelIds;
export const channelKinds = Object.keys(channelIds) as readonly ChannelKind[];

/** The relay's side of a link, as the client needs it to connect. */
export const MetadataSession = z.object({
  relayId: RelayId,
  transport: TransportParameters,
  sctp: z.object({ port: z.int().positive(), maxMessageSize: z.int().positive() }),
  limits: z
    .object({ framesPerSecond: z.int().positive(), bytesPerSecond: z.int().positive() })
    .describe('What the client may send, twice as much at once. The relay drops more, on whichever channel.'),
});
export type MetadataSession = z.infer<typeof MetadataSession>;

/** A client's measurement of its link. */
export const LinkReport = z.strictObject({
  rttMs: z.number().min(0).max(60_000).describe('Smoothed round trip of time requests, ms.'),
  loss: z.number().min(0).max(1).describe('Share of time requests without an answer, of the newest twenty.'),
});
export type LinkReport = z.infer<typeof LinkReport>;

/** What is kept for later subscribers: all frames of one message of a publisher on a topic. */
export const RetainedMessage = z.object({
  topic: TopicName,
  mode: TopicMode,
  publisherId: z.string(),
  seqId: z.int().nonnegative(),
  frames: z.array(z.base64()).describe('Stamped, in the order of their index.'),
});
export type RetainedMessage = z.infer<typeof RetainedMessage>;

/** A relay's heartbeat. */
export const RelayReport = z.object({
  id: RelayId,
  startedAt: Timestamp,
  state: NodeState,
  capacity: z.int().positive().describe('How many links it takes.'),
  links: z.int().nonnegative(),
  rooms: z.int().nonnegative(),
});
export type RelayReport = z.infer<typeof RelayReport>;

/** A relay as others see it. */
export const RelayView = z.object({ ...RelayReport.shape, lastSeenAt: Timestamp, alive: z.boolean() });
export type RelayView = z.infer<typeof RelayView>;
