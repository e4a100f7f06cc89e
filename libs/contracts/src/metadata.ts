/** Metadata: data that applications send beside the media, by topic, over data channels to a relay. */
import { z } from 'zod';
import { RelayId, UserId } from './ids.ts';
import { TransportParameters } from './media.ts';
import { ReportedNodeState } from './node.ts';
import { Timestamp } from './room.ts';

/** Maximum number of topics of a room. */
export const maxTopicsPerRoom = 256;
/** Maximum number of topics that a session publishes, and of topics that it names in its subscriptions. */
export const maxTopicsPerSession = 64;

/** Maximum size of a retained value, in bytes of its frames. */
export const maxRetainedMessageBytes = 64 * 1024;
/** Maximum number of retained values of a room, and their total size in bytes. */
export const maxRetainedValues = 4096;
export const maxRetainedRoomBytes = 4 * 1024 * 1024;
/** Maximum number of retained values of a user in a room, over all its participants, and their total size in bytes. */
export const maxRetainedValuesPerUser = 64;
export const maxRetainedUserBytes = 1024 * 1024;

/** The largest frame, in bytes, the relay's stamp included. */
export const maxMetadataFrameBytes = 16_384;

export const TopicName = z
  .string()
  .regex(/^[A-Za-z0-9][\w./:-]{0,127}$/, 'letters, digits and _ . / : -, at most 128')
  .describe('Name of a topic: 1 to 128 letters, digits and `_ . / : -`, the first a letter or digit.');

export const TopicMode = z
  .enum(['adaptive', 'reliable', 'unreliable'])
  .describe(
    'Which data channel carries a topic. `reliable`: the channel `reliable`. `unreliable`: the channel `unreliable`, which sends each frame once. `adaptive`: `limited` while the link is good, `unreliable` while it is degraded.',
  );
export type TopicMode = z.infer<typeof TopicMode>;

/** What a publisher declares of a topic. All publishers of a topic declare the same mode. */
export const TopicDeclaration = z.strictObject({
  topic: TopicName,
  mode: TopicMode.default('adaptive').describe(
    'Mode of the topic. All its publishers declare the same one, or are refused with TOPIC_CONFLICT.',
  ),
  retain: z
    .boolean()
    .default(false)
    .describe('True: the last message with `retain` is kept and sent to later subscribers.'),
});
export type TopicDeclaration = z.infer<typeof TopicDeclaration>;

export const TopicInfo = z
  .object({ name: TopicName, mode: TopicMode, retain: z.boolean().describe('Whether it keeps the last message.') })
  .describe('A topic of a room.');
export type TopicInfo = z.infer<typeof TopicInfo>;

export const TopicSelection = z
  .union([z.literal('*'), z.array(TopicName).min(1).max(maxTopicsPerSession)])
  .describe('Names of topics, or `*` for all topics of the room, future ones included.');
export type TopicSelection = z.infer<typeof TopicSelection>;

/**
 * The three data channels of a link, by what their sender does about loss, and their ids. The client creates them with
 * `negotiated: true` before it makes its offer: `reliable` (ordered), `limited` (`ordered: false, maxRetransmits: 3`),
 * `unreliable` (`ordered: false, maxRetransmits: 0`).
 */
export const channelIds = { reliable: 0, limited: 1, unreliable: 2 } as const;
export type ChannelKind = keyof typeof channelIds;
export const channelKinds = Object.keys(channelIds) as readonly ChannelKind[];

export const MetadataSession = z
  .object({
    relayId: RelayId.describe('The relay. Goes into every other `metadata.*` request.'),
    transport: TransportParameters,
    sctp: z
      .object({
        port: z.int().positive().describe('SCTP port of the relay: `sctp-port` of the SDP answer.'),
        maxMessageSize: z
          .int()
          .positive()
          .describe('Maximum size of a frame, in bytes: `max-message-size` of the SDP answer.'),
      })
      .describe('SCTP association with the relay.'),
    limits: z
      .object({
        framesPerSecond: z.int().positive().describe('Frames per second.'),
        bytesPerSecond: z.int().positive().describe('Bytes of frames per second.'),
      })
      .describe(
        'Rates at which the client may send over all channels together; bursts of twice as much. The relay drops frames above them.',
      ),
  })
  .describe("The relay's side of a link, as a client needs it to connect.");
export type MetadataSession = z.infer<typeof MetadataSession>;

/** A client's measurement of its link. */
export const LinkReport = z.strictObject({
  rttMs: z.number().min(0).max(60_000).describe('Smoothed round trip of the time requests, in milliseconds.'),
  loss: z.number().min(0).max(1).describe('Fraction of the last 20 time requests that were not answered.'),
});
export type LinkReport = z.infer<typeof LinkReport>;

/** A retained message: all frames of one message of a publisher on a topic. */
export const RetainedMessage = z.object({
  topic: TopicName,
  mode: TopicMode,
  publisherId: z.string(),
  userId: UserId.optional().describe('The user of the publisher. Absent in values of earlier versions.'),
  seqId: z.int().nonnegative(),
  frames: z.array(z.base64()).describe('Stamped, in the order of their index.'),
});
export type RetainedMessage = z.infer<typeof RetainedMessage>;

/** A relay's heartbeat. */
export const RelayReport = z.object({
  id: RelayId,
  startedAt: Timestamp,
  state: ReportedNodeState,
  capacity: z.int().positive().describe('Maximum number of links.'),
  links: z.int().nonnegative(),
  rooms: z.int().nonnegative(),
});
export type RelayReport = z.infer<typeof RelayReport>;

/** A relay, as the store reports it. */
export const RelayView = z.object({ ...RelayReport.shape, lastSeenAt: Timestamp, alive: z.boolean() });
export type RelayView = z.infer<typeof RelayView>;
