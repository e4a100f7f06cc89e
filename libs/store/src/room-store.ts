import type {
  LeaveReason,
  MediaMode,
  Member,
  MemberWithConnection,
  Migration,
  NegotiationState,
  Offset,
  PublicationRecord,
  RemovalReason,
  Room,
  RoomGrant,
  RoomSummary,
} from '@flotilla/contracts';
import type { FailedRecord } from './each-record.ts';
import type { MediaRequest } from './migration-store.ts';

/** A room with its members and publications, as of `offset` in its stream. */
export interface RoomState {
  readonly room: Room;
  readonly members: MemberWithConnection[];
  readonly publications: PublicationRecord[];
  readonly mediaMode: MediaMode;
  readonly offset: Offset;
}

/** Some of a room's members with all of their publications, as of `offset` in its stream. */
export interface RoomPage extends RoomState {
  /** Cursor of the next page. Undefined when there are no more members. */
  readonly next: string | undefined;
}

/** The first page of a room for one of its participants, with what concerns that one. */
export interface OwnPage extends RoomPage {
  /** Its active migration. */
  readonly migration: Migration | undefined;
}

/** Bounds of a page. `bytes`: of the records of its members and publications, which are longer than what clients are sent. */
export interface PageLimits {
  readonly members: number;
  readonly bytes: number;
}

/**
 * Of the page that a join, a resume and a node read. It leaves room below 32 KiB for transports and `maxFirstSubscriptions`
 * subscriptions.
 */
export const firstPageLimits: PageLimits = { members: 64, bytes: 14 * 1024 };
/** Of the pages that follow. A member alone fits, with `maxPublications` publications. */
export const nextPageLimits: PageLimits = { members: 128, bytes: 28 * 1024 };

/** A room's state with its active migrations. */
export interface RoomStateWithMigrations extends RoomState {
  readonly migrations: readonly Migration[];
}

export interface JoinRequest {
  readonly roomId: string;
  readonly participantId: string;
  /** The session that joins; it must not have ended. */
  readonly sessionId: string;
  /** Hash of the resume token of the connection that joins. The join is refused when a later connection resumed the session. */
  readonly resumeHash?: string | undefined;
  readonly userId: string;
  /** Those of the session. When the session has others meanwhile, the member gets those. */
  readonly grants: readonly RoomGrant[];
  /** As `grants`. */
  readonly maxPublishBitrate?: number | undefined;
  readonly name: string;
  /** ms since the Unix epoch. */
  readonly joinedAt: number;
  readonly excludeNodes: readonly string[];
  /** Number of rooms that the session may be in. */
  readonly maxRooms: number;
  /** Kept for a migration of the member. Absent for a participant without media. */
  readonly media?: MediaRequest | undefined;
}

/**
 * The peer-to-peer negotiation of two members. The format of the record (JSON) is the gateways'. It is deleted when either
 * leaves and when the room moves to the SFU. A peer-to-peer room has two members, and therefore at most one record.
 */
export interface PairState {
  readonly mediaMode: MediaMode;
  /** The member that the message is addressed to. */
  readonly peer: Member | undefined;
  /** 0 while there is no record. */
  readonly version: number;
  readonly record: string | undefined;
}

export interface PairChange {
  /** See `pairKey`. */
  readonly pair: string;
  readonly participants: readonly [string, string];
  readonly expectedVersion: number;
  /** The record, and the signaling state of the first of the two for the topology. Undefined leaves both unchanged. */
  readonly update: { readonly state: NegotiationState; readonly record: string } | undefined;
  /** The room event, encoded. */
  readonly event: string;
}

/** The name of a pair of participants, in either order. */
export const pairKey = (one: string, other: string): string => (one < other ? `${one}~${other}` : `${other}~${one}`);

/** A user who may not join a room for some time. Bans end with the room. */
export interface Ban {
  readonly userId: string;
  readonly seconds: number;
}

/** A ban that is in force. */
export interface ActiveBan {
  readonly userId: string;
  /** ms since the Unix epoch. */
  readonly endsAt: number;
}

/** Maximum number of bans of a room. A further one replaces the one that ends first. */
export const maxBans = 10_000;

export interface RoomStore {
  /** Creates a room, or returns the existing one. Throws ROOM_EXISTS when that has other settings. */
  create(room: Room): Promise<Room>;

  get(roomId: string): Promise<RoomSummary | undefined>;

  /**
   * Rooms in order of creation, those of one tenant if there is one. `next` is null on the last page. A page of a tenant may have
   * fewer rooms than `limit`, also none, although others follow.
   */
  list(limit: number, cursor?: string, tenant?: string): Promise<{ rooms: RoomSummary[]; next: string | null }>;

  /**
   * Deletes a room, takes out its members and releases their capacity; appends `room_deleted`. False when it did not exist. An
   * interrupted deletion is finished by `deleteExpired`.
   */
  delete(roomId: string): Promise<boolean>;

  /**
   * Adds a member to a room and the room to its session's rooms, and reserves capacity on a node, in one step; appends
   * `participant_joined`. The third member of a peer-to-peer room, and one without `publish` or `subscribe`, moves its media to the
   * SFU until the room is empty (appends `media_mode`). A member that is there already is returned as it is. The work does not grow
   * with the room: the answer has its first page, as `firstPage`.
   *
   * Throws ROOM_NOT_FOUND, ROOM_FULL, NO_CAPACITY, TOO_MANY_ROOMS, BANNED, SESSION_EXPIRED when the session has ended or was
   * resumed by another connection, FORBIDDEN when its claims do not cover the room.
   */
  join(request: JoinRequest): Promise<RoomPage & { member: Member }>;

  /**
   * Takes a member out with its publications and its session's entry, and releases its capacity; appends `participant_left`.
   * False when it was not in the room.
   */
  leave(roomId: string, participantId: string, reason: LeaveReason): Promise<boolean>;

  /**
   * As `leave`, with the reason `removed`. With a ban its user may not join the room again before the ban is over, and leaves the room
   * with its other sessions as well.
   */
  remove(roomId: string, participantId: string, ban: Ban | undefined): Promise<boolean>;

  /**
   * Requires that a session may send messages into a room that it is not in, as its token allows. Returns the number of members.
   * `resumeHash` is that of the connection that sends.
   *
   * Throws SESSION_EXPIRED when the session has ended or was resumed by another connection, TOKEN_REVOKED when tokens of its user from
   * that time were, ROOM_NOT_FOUND, FORBIDDEN when the room was created without `acceptBridged`, BANNED.
   */
  requireBridge(roomId: string, sessionId: string, resumeHash: string): Promise<number>;

  /** Lets a user join again. False when there was no ban. */
  liftBan(roomId: string, userId: string): Promise<boolean>;

  /** The bans of a room that are in force, those that end first in front. `after` is the last of the previous page. */
  bans(roomId: string, limit: number, after?: ActiveBan): Promise<{ bans: ActiveBan[]; next: ActiveBan | undefined }>;

  /**
   * Assigns a member to another node, whose capacity it reserves; appends `participant_moved`. A migration of it ends. Throws
   * NOT_IN_ROOM, NO_CAPACITY.
   */
  reassign(roomId: string, participantId: string, excludeNodes: readonly string[]): Promise<Member>;

  /** Keeps what a member's media is opened with. Throws NOT_IN_ROOM. */
  describeMedia(roomId: string, participantId: string, media: MediaRequest): Promise<void>;

  /** Keeps the relay of a member's metadata link. Throws NOT_IN_ROOM. */
  linkRelay(roomId: string, participantId: string, relayId: string): Promise<void>;

  /** The relay of a member's last metadata link, undefined before the first. */
  linkedRelay(roomId: string, participantId: string): Promise<string | undefined>;

  /**
   * The members that joined first, within `firstPageLimits`, and at the end the participant itself if it is a member. Undefined when
   * the room does not exist.
   */
  firstPage(roomId: string, participantId: string): Promise<OwnPage | undefined>;

  /**
   * The members after a cursor in the order in which they joined, within `nextPageLimits`. A member keeps its place while it is in the
   * room, so pages that are read one after another have all who were there throughout. Undefined when the room does not exist.
   */
  nextPage(roomId: string, cursor: string): Promise<RoomPage | undefined>;

  /** The room with all of its members, publications and active migrations. The work grows with the room. */
  state(roomId: string): Promise<RoomStateWithMigrations | undefined>;

  member(roomId: string, participantId: string): Promise<Member | undefined>;

  /** A member, and the position in the room's stream that its record is from. */
  memberAt(roomId: string, participantId: string): Promise<{ member: Member; offset: Offset } | undefined>;

  /** Those of the participants that are not in the room. */
  absent(roomId: string, participantIds: readonly string[]): Promise<string[]>;

  /** The members whose signaling connection dropped and may resume. */
  reconnecting(roomId: string): Promise<string[]>;

  /**
   * Adds a publication (appends `publication_added`) or replaces the one of that id (`publication_updated`).
   *
   * Throws FORBIDDEN when its participant lacks the grant `publish`, NOT_IN_ROOM unless its participant is assigned to the
   * publication's node or being moved to it, PUBLICATION_NOT_FOUND when the id is another participant's, RATE_LIMITED above
   * `maxPublications`, MIGRATION_RUNNING when it was republished on the node that its participant is being moved to and this one
   * is on the old node.
   */
  putPublication(roomId: string, publication: PublicationRecord): Promise<void>;

  /** Appends `publication_removed`, with the reason why the server ends it if it does. False when it was not there. */
  removePublication(
    roomId: string,
    participantId: string,
    publicationId: string,
    reason?: RemovalReason,
  ): Promise<boolean>;

  /** The negotiation of `from` and `to`, and whether they may negotiate; see PairState. Throws ROOM_NOT_FOUND. */
  pair(roomId: string, from: string, to: string): Promise<PairState>;

  /**
   * Appends an event of a negotiation and, with an `update`, replaces the record of the pair in the same step. False when the
   * record has another version, one of the two has left, or the room's media goes through the SFU.
   */
  putPair(roomId: string, change: PairChange): Promise<boolean>;

  /** Those of the publications that exist, in the order of `ids`. */
  publications(roomId: string, ids: readonly string[]): Promise<PublicationRecord[]>;

  /** Deletes the rooms that were empty for longer than they may be, and returns their ids. One that fails is due again a minute later. */
  deleteExpired(): Promise<{ deleted: string[]; failed: FailedRecord[] }>;

  /**
   * Checks one page of the rooms, from a cursor on, and removes members whose session does not exist. Returns the number of
   * those, and the cursor of the next page; undefined at the end.
   */
  repair(cursor?: string): Promise<{ removed: number; failed: FailedRecord[]; next: string | undefined }>;
}

/** Maximum number of publications of a participant in a room. */
export const maxPublications = 16;
