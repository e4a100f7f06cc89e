import { z } from 'zod';
import { MaxPublishBitrate, RoomGrant } from './grants.ts';
import { NodeId, Offset, ParticipantId, PublicationId, RoomId, RoomName, SessionId, UserId } from './ids.ts';
import { MediaKind, Source } from './media.ts';
import { knownOf, orElse } from './newer.ts';
import { KnownLabel, shownText } from './shown-text.ts';

export const Timestamp = z.int().nonnegative().describe('Milliseconds since the Unix epoch.');

/**
 * A character that is left when a text is cleaned, of the Basic Multilingual Plane: a pattern that every dialect reads, for clients that
 * check by the JSON Schema, in which nothing is cleaned.
 */
const visible = new RegExp(
  String.raw`[^\s\u0000-\u001F\u007F-\u009F\u00AD\u034F\u061C\u070F\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028-\u202E\u2060-\u206F\u2800\u3164\uE000-\uF8FF\uFDD0-\uFDEF\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFC\uFFFE\uFFFF]`,
);

export const DisplayName = shownText()
  .regex(visible, 'a visible character is expected')
  .min(1)
  .max(64)
  .describe(
    'Display name of a participant, 1 to 64 characters after the server has cleaned it: it removes control, bidirectional and invisible characters, except inside emoji and where a script needs them, and surplus blanks.',
  );

/** A display name that was accepted, also by an earlier version, which did not clean it. */
export const KnownName = z.string().min(1).max(64).describe('Display name.');

/** Settings of a room, fixed when it is created. */
export const RoomSettings = z.strictObject({
  maxParticipants: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe('Maximum number of participants. Further joins are refused with ROOM_FULL.'),
  spread: z
    .boolean()
    .default(false)
    .describe('Prefer nodes that do not host the room yet for each participant, instead of those that do.'),
  peerToPeer: z
    .boolean()
    .default(false)
    .describe('Two participants exchange media directly, without an SFU node, until a third one joins.'),
  acceptBridged: z
    .boolean()
    .default(false)
    .describe('Accept messages of sessions that are not in the room and whose token names it in `bridge`.'),
  maxPublishBitrate: MaxPublishBitrate.optional(),
  emptyTimeoutSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .default(300)
    .describe('Time after which an empty room is deleted, in seconds. 0: never.'),
});
export type RoomSettings = z.infer<typeof RoomSettings>;

export const Room = z
  .object({
    id: RoomId,
    name: RoomName,
    createdAt: Timestamp.describe('When it was created, in milliseconds since the Unix epoch.'),
    ...RoomSettings.shape,
  })
  .describe('A room.');
export type Room = z.infer<typeof Room>;

export const ParticipantConnection = z
  .enum(['connected', 'reconnecting'])
  .describe(
    'State of the signaling connection. `reconnecting`: it dropped and may resume; the participant keeps its publications.',
  );
export type ParticipantConnection = z.infer<typeof ParticipantConnection>;

export const Participant = z
  .object({
    id: ParticipantId,
    userId: UserId,
    name: KnownName,
    joinedAt: Timestamp.describe('When it joined, in milliseconds since the Unix epoch.'),
    connection: orElse(ParticipantConnection, 'connected').default('connected'),
    grants: knownOf(RoomGrant).describe('What it may do in the room. `grants_changed` replaces them.'),
  })
  .describe('A participant, as the others in the room see it.');
export type Participant = z.infer<typeof Participant>;

/** A participant with its session and the SFU node that it is assigned to, which only the fleet needs. */
export const Member = z.object({
  ...Participant.omit({ connection: true }).shape,
  roomId: RoomId,
  sessionId: SessionId,
  nodeId: NodeId,
  /** By the claim of its token. */
  maxPublishBitrate: MaxPublishBitrate.optional(),
  /** Position in the room's stream before it joined. It may read what follows only. Absent in records of earlier versions. */
  joinedAfter: Offset.optional(),
});
export type Member = z.infer<typeof Member>;

export const Publication = z
  .object({
    id: PublicationId,
    participantId: ParticipantId.describe('The participant that publishes it.'),
    kind: MediaKind,
    source: orElse(Source, 'other'),
    label: KnownLabel.optional(),
    codec: z.string().max(64).describe('Media type of the codec, such as `video/VP8`.'),
    muted: z.boolean().describe('Whether it is muted: its producer is paused.'),
    producerId: z.string().describe('Its current producer. After a change, subscribe again.'),
  })
  .describe('Media that a participant offers to a room. It keeps its id when its producer is replaced.');
export type Publication = z.infer<typeof Publication>;

/** A publication and the node of its producer. */
export const PublicationRecord = z.object({ ...Publication.shape, nodeId: NodeId });
export type PublicationRecord = z.infer<typeof PublicationRecord>;

export const MediaMode = z
  .enum(['peer', 'sfu'])
  .describe('How media travels in a room: `peer` directly between two participants, `sfu` through SFU nodes.');
export type MediaMode = z.infer<typeof MediaMode>;

export const ParticipantCursor = z
  .string()
  .regex(/^\d{1,15}$/, 'the `next` of a snapshot or of a previous page')
  .describe('Position in the list of participants of a room: `next` of a snapshot or of a page. Opaque to clients.');

/** A part of the participants of a room. */
export const participantPage = {
  participants: z.array(Participant),
  publications: z.array(Publication).describe('All publications of these participants.'),
  offset: Offset.describe("Position in the room's stream. Events after it are not contained."),
  next: ParticipantCursor.optional().describe(
    'Cursor of the next page. Absent on the last one: when the room has no more participants.',
  ),
};

export const RoomSnapshot = z
  .object({
    room: Room,
    mediaMode: MediaMode.default('sfu'),
    ...participantPage,
    participants: z
      .array(Participant)
      .describe(
        'Its participants in the order in which they joined, the session itself last. Of a large room the first ones: `list_participants` has the others.',
      ),
  })
  .describe('State of a room at a position of its event stream.');
export type RoomSnapshot = z.infer<typeof RoomSnapshot>;

/** A member and the state of its signaling connection, which is not part of the member's record. */
export type MemberWithConnection = Member & { readonly connection?: ParticipantConnection };

/** The part of a member that clients receive: without session and node. */
export function publicParticipant({
  id,
  userId,
  name,
  joinedAt,
  connection = 'connected',
  grants,
}: MemberWithConnection): Participant {
  return { id, userId, name, joinedAt, connection, grants };
}

export function publicPublication({ nodeId: _nodeId, ...publication }: PublicationRecord): Publication {
  return publication;
}
