import type { LogEntry } from '@flotilla/bus/events';
import type {
  CommandPayload,
  Grant,
  PublicationRecord,
  LeaveReason,
  MediaMode,
  MediaSessionParameters,
  Member,
  MemberWithConnection,
  Migration,
  MigrationEnd,
  NegotiationState,
  NodeReport,
  NodeView,
  Offset,
  PeerQuality,
  PeerScore,
  RelayReport,
  RelayView,
  RetainedMessage,
  Room,
  RoomSummary,
  Topology,
  TopologyVertex,
} from '@flotilla/contracts';
import type { MigrationHistory } from './history.ts';

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

/** What a participant's media is opened with on a node. */
export type MediaRequest = Pick<CommandPayload<'sfu.open_session'>, 'rtpCapabilities' | 'subscribe' | 'publicationIds'>;

export interface JoinRequest {
  readonly roomId: string;
  readonly participantId: string;
  /** The session that joins; it must not have ended. */
  readonly sessionId: string;
  /** Hash of the resume token of the connection that joins. The join is refused when a later connection resumed the session. */
  readonly resumeHash?: string | undefined;
  readonly userId: string;
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

export interface RoomStore {
  /** Creates a room, or returns the existing one. Throws ROOM_EXISTS when that has other settings. */
  create(room: Room): Promise<Room>;

  get(roomId: string): Promise<RoomSummary | undefined>;

  /** Rooms in order of creation. `next` is null on the last page. */
  list(limit: number, cursor?: string): Promise<{ rooms: RoomSummary[]; next: string | null }>;

  /**
   * Deletes a room, takes out its members and releases their capacity; appends `room_deleted`. False when it did not exist. An
   * interrupted deletion is finished by `deleteExpired`.
   */
  delete(roomId: string): Promise<boolean>;

  /**
   * Adds a member to a room and the room to its session's rooms, and reserves capacity on a node, in one step; appends
   * `participant_joined`. The third member of a peer-to-peer room moves its media to the SFU until the room is empty (appends
   * `media_mode`). A member that is there already is returned as it is. Throws ROOM_NOT_FOUND, ROOM_FULL, NO_CAPACITY,
   * TOO_MANY_ROOMS, SESSION_EXPIRED when the session has ended or was resumed by another connection.
   */
  join(request: JoinRequest): Promise<RoomState & { member: Member }>;

  /**
   * Takes a member out with its publications and its session's entry, and releases its capacity; appends `participant_left`.
   * False when it was not in the room.
   */
  leave(roomId: string, participantId: string, reason: LeaveReason): Promise<boolean>;

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

  /**
   * Adds a publication (appends `publication_added`) or replaces the one of that id (`publication_updated`). Throws NOT_IN_ROOM
   * unless its participant is assigned to the publication's node or being moved to it, PUBLICATION_NOT_FOUND when the id is
   * another participant's, RATE_LIMITED above `maxPublications`, MIGRATION_RUNNING when it was republished on the node that its
   * participant is being moved to and this one is on the old node.
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

/** Parameters of a new migration. */
export type MigrationRequest = Pick<
  Migration,
  'id' | 'roomId' | 'sessionId' | 'participantId' | 'reason' | 'startedAt' | 'deadline'
> & {
  /** The node that the caller expects the member to be assigned to. */
  readonly fromNode?: string | undefined;
  readonly toNode?: string | undefined;
};

/** A member whose node does not answer is assigned to another one. */
export type LostNodeRequest = Pick<Migration, 'id' | 'roomId' | 'sessionId' | 'participantId' | 'startedAt'> & {
  /** Preferred when it has capacity. */
  readonly toNode?: string | undefined;
  /** The node counts as alive while its heartbeat is not this much older than the newest of any node, ms. */
  readonly lostAfterMs: number;
};

/**
 * The journal of active migrations. Each step is written together with its change and its entry in the history, so that any
 * reader of the journal can continue a migration or roll it back, repeatedly.
 */
export interface MigrationStore {
  /**
   * Reserves capacity for a member on another node, the given one or the best, and writes the migration to the journal. Returns
   * it with what the member's media was opened with. Throws NOT_IN_ROOM, NO_CAPACITY, MIGRATION_RUNNING, MEDIA_NOT_OPEN,
   * MIGRATION_NOT_ACTIVE when the member is not on `fromNode`.
   */
  begin(request: MigrationRequest): Promise<{ migration: Migration; media: MediaRequest }>;

  /** The new side is open: appends `migrate` for the member. False when the migration is not active. */
  prepared(migration: Migration, media: MediaSessionParameters): Promise<boolean>;

  /**
   * Assigns the member to the new node and releases the old one; appends `participant_moved`. Publications that are not on the
   * new node end (`publication_removed`). Returns the migration; undefined when it was committed before, which is no error.
   * Throws MIGRATION_NOT_ACTIVE when it was rolled back or never prepared.
   */
  commit(roomId: string, participantId: string, migrationId: string): Promise<Migration | undefined>;

  /**
   * Releases the new node and restores publications that were republished there; appends `migration_rolled_back`. False when
   * the migration is not active.
   */
  rollBack(
    roomId: string,
    participantId: string,
    migrationId: string,
    end: Exclude<MigrationEnd, 'committed'>,
  ): Promise<boolean>;

  /**
   * Assigns a member to another node because its own was lost; appends `participant_moved` and `media_lost`, and writes the
   * migration to the history. Throws NOT_IN_ROOM, NO_CAPACITY, MIGRATION_NOT_ACTIVE when the node is alive.
   */
  reassignLost(request: LostNodeRequest): Promise<Migration>;

  /** The active migration of a member. */
  of(roomId: string, participantId: string): Promise<Migration | undefined>;

  /** Active migrations, those whose deadline comes first, at most `limit`. Those that this version cannot read are left out. */
  running(limit: number): Promise<Migration[]>;
}

export interface NodeStore {
  /**
   * A node's heartbeat. Appended to the stream `sfu:stats` with its peers, see NodeStats. `peerScores` are their scores in the
   * topology. Returns the ids of the nodes whose last heartbeat is older than `nodeTimeoutMs`.
   */
  report(report: NodeReport, peers?: readonly PeerQuality[], peerScores?: readonly PeerScore[]): Promise<string[]>;

  /** All nodes that have not been removed, dead ones included, with their reserved capacity. */
  list(): Promise<NodeView[]>;

  /**
   * Those of the nodes that are dead: removed, or with a last heartbeat `deadAfterMs` older than the newest of any node. None while
   * the store has no heartbeat of any node.
   */
  deadOf(nodeIds: readonly string[], deadAfterMs: number): Promise<string[]>;

  /** Removes a node that has stopped. Its reserved capacity is released by the members that hold it. */
  remove(nodeId: string): Promise<void>;
}

/** The metadata relays, and the values that they retain for rooms. */
export interface RelayStore {
  /** A relay's heartbeat. */
  report(report: RelayReport): Promise<void>;

  /** All relays that have not been removed, dead ones included. */
  list(): Promise<RelayView[]>;

  remove(relayId: string): Promise<void>;

  /**
   * Chooses the relay for a new link of a room: the relay of its previous link if that has capacity, else the least loaded.
   * Throws NO_CAPACITY.
   */
  assign(roomId: string, exclude: readonly string[]): Promise<string>;

  /** Retains a message in place of the previous one of its publisher on its topic. */
  retain(roomId: string, message: RetainedMessage): Promise<void>;

  /** Deletes the retained value of a publisher on a topic. */
  forget(roomId: string, topic: string, publisherId: string): Promise<void>;

  /** The retained values of a room. They are deleted with the room, and `retainedSeconds` after the last change. */
  retained(roomId: string): Promise<RetainedMessage[]>;
}

/** Retained values of a room are kept for this long after the last change, s. */
export const retainedSeconds = 3600;

/**
 * A lease elects one of several processes. It expires by the store's clock; its holder must measure the time since before its
 * request by a monotonic clock, and stop before the lease expires. `holder` is unique to the process.
 */
export interface LeaseStore {
  /** Takes a lease that nobody holds. Returns its term, a number that rises with every holder; undefined when it is held. */
  acquire(name: string, holder: string, ttlMs: number): Promise<number | undefined>;

  /** Extends it to `ttlMs` from now. False when another holds it or it has expired. */
  renew(name: string, holder: string, ttlMs: number): Promise<boolean>;

  /** Releases it. Does nothing when another holds it. */
  release(name: string, holder: string): Promise<void>;
}

/** Claims of a session's token. */
export interface SessionClaims {
  readonly name?: string | undefined;
  /** The only room it may join. */
  readonly room?: string | undefined;
  readonly grants: readonly Grant[];
  /** Rooms it may send messages into without being in them. */
  readonly bridge: readonly string[];
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

  /**
   * Writes a new session. `resumeHash` is the SHA-256 of its resume token. Returns the offset of the last message to its user:
   * later ones are delivered to the session.
   */
  open(session: Omit<SessionRecord, 'rooms'>, resumeHash: string): Promise<Offset>;

  /**
   * Replaces the claims of a session by those of a token, which is used up in the same step. The token that it was refreshed with
   * last is accepted again, as the answer may have been lost with a connection. `resumeHash` is that of the connection that
   * refreshes. Throws TOKEN_REPLAYED; SESSION_EXPIRED when the session has ended or was resumed by another connection.
   */
  refresh(sessionId: string, resumeHash: string, token: UsedToken, claims: SessionClaims): Promise<void>;

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

/** Number of heartbeats in the stream of all nodes. Each carries the peers of its node. */
export const keptReports = 1024;

/** A node without a heartbeat for this long gets no new members, ms. */
export const nodeTimeoutMs = 2000;

/** Load above which a node is not preferred for hosting the room already. */
export const affinityLoadLimit = 0.8;

/** Messages to a user that are kept for sessions that resume: the newest of them, and for how long, s. */
export const keptMessagesPerUser = 256;
export const messagesKeptSeconds = 600;
