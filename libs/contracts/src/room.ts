import { z } from 'zod';
import { NodeId, Offset, ParticipantId, PublicationId, RoomId, RoomName, SessionId, UserId } from './ids.ts';
import { MediaKind, Source } from './media.ts';

/** Milliseconds since the Unix epoch. */
export const Timestamp = z.int().nonnegative();

export const DisplayName = z.string().trim().min(1).max(64);

/** What a room is created with. */
export const RoomSettings = z.strictObject({
  maxParticipants: z.int().min(1).max(10_000).default(100).describe('Joins beyond this are answered ROOM_FULL.'),
  spread: z
    .boolean()
    .default(false)
    .describe('Place each participant on the least loaded node, instead of keeping the room together.'),
  peerToPeer: z
    .boolean()
    .default(false)
    .describe('Two people exchange media directly, without an SFU node, until a third joins.'),
  acceptBridged: z
    .boolean()
    .default(false)
    .describe('Accept messages from people who are not in the room and whose token names it in `bridge`.'),
  emptyTimeoutSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .default(300)
    .describe('A room nobody is in is deleted after this long. 0 keeps it until it is deleted.'),
});
export type RoomSettings = z.infer<typeof RoomSettings>;

export const Room = z.object({
  id: RoomId,
  name: RoomName,
  createdAt: Timestamp,
  ...RoomSettings.shape,
});
export type Room = z.infer<typeof Room>;

/** `reconnecting`: the signaling connection dropped and may still resume; the participant's place and publications are kept. */
export const ParticipantConnection = z.enum(['connected', 'reconnecting']);
export type ParticipantConnection = z.infer<typeof ParticipantConnection>;

/** A person in a room, as everybody in it sees them. */
export const Participant = z.object({
  id: ParticipantId,
  userId: UserId,
  name: DisplayName,
  joinedAt: Timestamp,
  connection: ParticipantConnection.default('connected'),
});
export type Participant = z.infer<typeof Participant>;

/** A participant with what only the fleet needs to know: the session that speaks for it and the node it is homed on. */
export const Member = z.object({
  ...Participant.omit({ connection: true }).shape,
  roomId: RoomId,
  sessionId: SessionId,
  nodeId: NodeId,
});
export type Member = z.infer<typeof Member>;

/** Media somebody offers to the room. It keeps its id when the producer behind it is replaced. */
export const Publication = z.object({
  id: PublicationId,
  participantId: ParticipantId,
  kind: MediaKind,
  source: Source,
  label: z.string().max(128).optional(),
  codec: z.string().max(64).describe('MIME type of the codec, such as video/VP8.'),
  muted: z.boolean(),
  producerId: z.string().describe('The producer behind it now. A change means: subscribe again.'),
});
export type Publication = z.infer<typeof Publication>;

/** A publication and the node its producer lives on. */
export const PublicationRecord = z.object({ ...Publication.shape, nodeId: NodeId });
export type PublicationRecord = z.infer<typeof PublicationRecord>;

/** How media travels in a room now: `peer` directly between two people, `sfu` through SFU nodes. */
export const MediaMode = z.enum(['peer', 'sfu']);
export type MediaMode = z.infer<typeof MediaMode>;

/** All that a newcomer must know, true at `offset` of the room's event stream. */
export const RoomSnapshot = z.object({
  room: Room,
  mediaMode: MediaMode.default('sfu'),
  participants: z.array(Participant),
  publications: z.array(Publication),
  offset: Offset,
});
export type RoomSnapshot = z.infer<typeof RoomSnapshot>;

/** A member and the state of its signaling connection, which is kept apart from the member's record. */
export type MemberWithConnection = Member & { readonly connection?: ParticipantConnection };

/** The view that leaves the fleet: without session and node. */
export function publicParticipant({
  id,
  userId,
  name,
  joinedAt,
  connection = 'connected',
}: MemberWithConnection): Participant {
  return { id, userId, name, joinedAt, connection };
}

export function publicPublication({ nodeId: _nodeId, ...publication }: PublicationRecord): Publication {
  return publication;
}
