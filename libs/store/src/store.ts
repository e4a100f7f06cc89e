import type { LogEntry } from '@flotilla/bus/events';
import type {
  Grant,
  PublicationRecord,
  LeaveReason,
  MediaMode,
  Member,
  MemberWithConnection,
  Migration,
  NegotiationState,
  Offset,
  Room,
  RoomGrant,
  RoomSummary,
  Topology,
  TopologyVertex,
} from '@flotilla/contracts';
import type { MigrationHistory } from './history.ts';
import type { LeaseStore } from './lease-store.ts';
import type { MediaRequest, MigrationStore } from './migration-store.ts';
import type { NodeStore } from './node-store.ts';
import type { RelayStore } from './relay-store.ts';

export * from './lease-store.ts';
export * from './migration-store.ts';
export * from './node-store.ts';
export * from './relay-store.ts';

/**
 * The fleet's state. A change of a room and its event are written in one step, so that the snapshot at an offset and the events
 * after it are the complete state. Adapters: redis/ (Lua scripts) and memory/.
 *
 * Every method throws FlotillaError UNAVAILABLE while the store is unreachable, and INTERNAL for a damaged record.
 */
export interface Store {
  readonly rooms: RoomStore;
  readonly nodes: NodeStore;
  readonly sessions: SessionStore;
  readonly migrations: MigrationStore;
  readonly history: MigrationHistory;
  readonly leases: LeaseStore;
  readonly relays: RelayStore;
  /** The whole fleet as a graph. Of the sessions, those that are connected or may resume. */
  topology(): Promise<Topology>;
  /** Nodes and migrations: the part of the topology that is cheap enough to read every second. */
  pulse(): Promise<TopologyVertex[]>;
  /** Undefined when the store is reachable, otherwise the reason why not. */
  problem(): string | undefined;
  close(): Promise<void>;
}

/**
 * A record that a pass over many could not handle, because it is damaged. The pass skips it, so that the others are handled, and
 * reports it.
 */
export interface FailedRecord {
  readonly record: string;
  readonly error: unknown;
}

/** A room with its members and publications, as of `offset` in its stream. */
export interface RoomState {
  readonly room: Room;
  readonly members: MemberWithConnection[];
  readonly publications: PublicationRecord[];
  readonly mediaMode: MediaMode;
  readonly offset: Offset;
}

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
   * SFU until the room is empty (appends `media_mode`). A member that is there already is returned as it is.
   *
   * Throws ROOM_NOT_FOUND, ROOM_FULL, NO_CAPACITY, TOO_MANY_ROOMS, BANNED, SESSION_EXPIRED when the session has ended or was
   * resumed by another connection, FORBIDDEN when its claims do not cover the room.
   */
  join(request: JoinRequest): Promise<RoomState & { member: Member }>;

  /**
   * Takes a member out with its publications and its session's entry, and releases its capacity; appends `participant_left`.
   * False when it was not in the room.
   */
  leave(roomId: string, participantId: string, reason: LeaveReason): Promise<boolean>;

  /** As `leave`, with the reason `removed`. With a ban its user may not join the room again before the ban is over. */
  remove(roomId: string, participantId: string, ban: Ban | undefined): Promise<boolean>;

  /** Lets a user join again. False when there was no ban. */
  liftBan(roomId: string, userId: string): Promise<boolean>;

  /**
   * Assigns a member to another node, whose capacity it reserves; appends `participant_moved`. A migration of it ends. Throws
   * NOT_IN_ROOM, NO_CAPACITY.
   */
  reassign(roomId: string, participantId: string, excludeNodes: readonly string[]): Promise<Member>;

  /** Keeps what a member's media is opened with. Throws NOT_IN_ROOM. */
  describeMedia(roomId: string, participantId: string, media: MediaRequest): Promise<void>;

  /** The room with its members, publications and active migrations. */
  state(roomId: string): Promise<RoomStateWithMigrations | undefined>;

  member(roomId: string, participantId: string): Promise<Member | undefined>;

  /** A member, and the position in the room's stream that its record is from. */
  memberAt(roomId: string, participantId: string): Promise<{ member: Member; offset: Offset } | undefined>;

  /**
   * Adds a publication (appends `publication_added`) or replaces the one of that id (`publication_updated`).
   *
   * Throws FORBIDDEN when its participant lacks the grant `publish`, NOT_IN_ROOM unless its participant is assigned to the
   * publication's node or being moved to it, PUBLICATION_NOT_FOUND when the id is another participant's, RATE_LIMITED above
   * `maxPublications`, MIGRATION_RUNNING when it was republished on the node that its participant is being moved to and this one
   * is on the old node.
   */
  putPublication(roomId: string, publication: PublicationRecord): Promise<void>;

  /** Appends `publication_removed`. False when it was not there. */
  removePublication(roomId: string, participantId: string, publicationId: string): Promise<boolean>;

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

/** Claims of a session's token. */
export interface SessionClaims {
  readonly name?: string | undefined;
  /** Id of the only room that it may join, or `*`. Absent: it may join none. */
  readonly room?: string | undefined;
  readonly grants: readonly Grant[];
  /** Rooms it may send messages into without being in them. */
  readonly bridge: readonly string[];
  /** When the token was issued, s since the Unix epoch. Compared when a session is opened or refreshed, not kept. */
  readonly issuedAt?: number | undefined;
  /** When the token expires, ms since the Unix epoch. */
  readonly expiresAt: number;
}

/**
 * A client's session. It outlives its connection by the resume window. A user may have several sessions, and a session several
 * rooms.
 */
export interface SessionRecord extends SessionClaims {
  readonly id: string;
  readonly userId: string;
  /** The gateway that has, or had, its connection. */
  readonly gatewayId: string;
  /** The rooms it is in. */
  readonly rooms: readonly string[];
}

/** A token that is accepted once. */
export interface UsedToken {
  /** Its claim `jti`. */
  readonly id: string;
  /** Its id is kept until then, ms since the Unix epoch. */
  readonly keptUntil: number;
}

/** A session as it was before a resume. */
export interface ResumedSession {
  /** Its `gatewayId` is that of the connection that held the session. */
  readonly session: SessionRecord;
  /** SHA-256 of the resume token that this connection was given. */
  readonly replacedHash: string;
}

export interface ConnectedSession {
  readonly id: string;
  readonly resumeHash: string;
}

/** How long a resume token works after its first use unless the resume is confirmed, in seconds. */
export const resumeRepeatSeconds = 30;

export interface SessionStore {
  /** Accepts a token id once. False when it was used before. */
  useTokenOnce(token: UsedToken): Promise<boolean>;

  /** Whether a token id was accepted before. */
  isTokenUsed(tokenId: string): Promise<boolean>;

  /**
   * Writes a new session. `resumeHash` is the SHA-256 of its resume token. Returns the offset of the last message to its user:
   * later ones are delivered to the session. Throws TOKEN_REVOKED, see `revokeTokens`.
   */
  open(session: Omit<SessionRecord, 'rooms'>, resumeHash: string): Promise<Offset>;

  /**
   * Replaces the claims of a session by those of a token, which is used up in the same step. Its members get the new grants
   * (appends `grants_changed`), and what they do not cover ends: publications (`publication_removed`), a direct call (`media_mode`),
   * and its membership of rooms that the claims do not cover (`participant_left`, with the reason `removed`). The token that it was
   * refreshed with last is accepted again, as the answer may have been lost with a connection. `resumeHash` is that of the
   * connection that refreshes.
   *
   * Throws TOKEN_REPLAYED, TOKEN_REVOKED, SESSION_EXPIRED when the session has ended or was resumed by another connection.
   */
  refresh(sessionId: string, resumeHash: string, token: UsedToken, claims: SessionClaims): Promise<void>;

  /**
   * Refuses tokens that were issued before a time (s since the Unix epoch): those of a user, or all. Kept until such tokens have
   * expired. An earlier time changes nothing.
   */
  revokeTokens(userId: string | undefined, issuedBefore: number): Promise<void>;

  /** The sessions of a user that are connected or may resume. */
  ofUser(userId: string): Promise<SessionRecord[]>;

  /**
   * Sends a message (JSON text) to all sessions of a user: appended to the streams of their gateways (see `gatewayStream`), and
   * kept for those that may resume. Throws RECIPIENT_OFFLINE when there are none.
   */
  sendToUser(userId: string, message: string): Promise<Offset>;

  /** Messages to a user after an offset, oldest first. `complete` is false when some of them were trimmed. */
  messagesToUser(userId: string, after: Offset): Promise<{ complete: boolean; entries: LogEntry[] }>;

  get(sessionId: string): Promise<SessionRecord | undefined>;

  /**
   * Records that the connection with this resume token has ended: the session may resume within the window. Ignored when it was
   * resumed already.
   */
  detach(sessionId: string, resumeHash: string, windowMs: number): Promise<void>;

  /**
   * Binds the session behind a resume token to a gateway, and exchanges the token for the next. Returns undefined when the token is
   * unknown or used. As the answer may be lost, the token works again until `confirmResume`, at most for `resumeRepeatSeconds`; the
   * last resume holds the session.
   */
  resume(resumeHash: string, nextHash: string, gatewayId: string): Promise<ResumedSession | undefined>;

  /**
   * Uses the token of a resume up: its connection, which holds the next token, is open. False, and nothing is done, when another
   * resume holds the session.
   */
  confirmResume(sessionId: string, usedHash: string, nextHash: string): Promise<boolean>;

  /** Whether a session can be resumed with a token now. Does not use the token up. */
  isResumable(resumeHash: string): Promise<boolean>;

  /**
   * Ends a session and takes it out of its rooms, in one step. A repeated call does nothing. With a `resumeHash`, only while that is the
   * hash of its resume token, that is, while no later connection resumed it. Returns the ids of the rooms it left.
   */
  close(sessionId: string, reason: LeaveReason, resumeHash?: string): Promise<readonly string[]>;

  /**
   * Ends a session whose resume window has passed, with the reason `disconnected`. False when that is not so, because it was
   * closed or resumed since it was listed by `due`.
   */
  closeExpired(sessionId: string): Promise<boolean>;

  /** The sessions that are connected to a gateway according to the store, when these are more than `expected`; else none. */
  connectedTo(gatewayId: string, expected: number): Promise<ConnectedSession[]>;

  /** A gateway's heartbeat. False when it was unknown or had been declared dead; its sessions are detached then. */
  gatewayAlive(gatewayId: string): Promise<boolean>;

  /** Records that the gateway has these sessions. Those that ended or were resumed elsewhere are skipped. */
  reattach(sessionIds: readonly string[], gatewayId: string): Promise<void>;

  /**
   * Detaches sessions of gateways whose heartbeat is older than `timeoutMs`, at most `limit` of each, and takes off gateways that
   * have no more. Returns the number of sessions, and whether there are more.
   */
  detachOrphaned(
    timeoutMs: number,
    windowMs: number,
    limit: number,
  ): Promise<{ detached: number; failed: FailedRecord[]; more: boolean }>;

  /** Ids of sessions whose resume window has passed, at most `limit`. They stay due until they are closed. */
  due(limit: number): Promise<string[]>;
}

/** Messages to a user that are kept for sessions that resume: the newest of them, and for how long, s. */
export const keptMessagesPerUser = 256;
export const messagesKeptSeconds = 600;
