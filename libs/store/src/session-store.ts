import type { LogEntry } from '@flotilla/bus/events';
import type { Grant, LeaveReason, Offset } from '@flotilla/contracts';
import type { FailedRecord } from './each-record.ts';

/** Claims of a session's token. */
export interface SessionClaims {
  readonly name?: string | undefined;
  /** Id of the only room that it may join, or `*`. Absent: it may join none. */
  readonly room?: string | undefined;
  readonly grants: readonly Grant[];
  /** Maximum bit rate of all that it publishes in a room together, bit/s. */
  readonly maxPublishBitrate?: number | undefined;
  /** Rooms it may send messages into without being in them. */
  readonly bridge: readonly string[];
  /** When the token was issued, s since the Unix epoch. The store finds sessions by it, their records do not have it. */
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
  /** The last message to everybody from before it was opened: it may read later ones. Absent in records of earlier versions. */
  readonly broadcastsAfter?: Offset | undefined;
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
  /** Throws what `open` would throw for a token now, which is not used up. `issuedAt` is in seconds since the Unix epoch. */
  requireOpenable(userId: string, token: { readonly tokenId: string; readonly issuedAt: number }): Promise<void>;

  /**
   * Writes a new session, and uses its token up in the same step; without a token, none is. `resumeHash` is the SHA-256 of its resume
   * token. Returns the offset of the last message to its user: later ones are delivered to the session.
   *
   * Throws TOKEN_REPLAYED when the token was accepted before, TOKEN_REVOKED, see `revokeTokens`, TOO_MANY_SESSIONS above
   * `maxSessionsPerUser`.
   */
  open(session: Omit<SessionRecord, 'rooms'>, resumeHash: string, token?: UsedToken): Promise<Offset>;

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

  /** Ids of the sessions of a user that are connected or may resume. */
  ofUser(userId: string): Promise<string[]>;

  /**
   * Ids of the sessions, of all users, that are connected or may resume and whose token was issued before a time (s since the Unix
   * epoch), oldest token first: at most `limit`, after the first `skip`.
   */
  issuedBefore(issuedBefore: number, skip: number, limit: number): Promise<string[]>;

  /** Number of sessions, of all users, that are connected or may resume. */
  count(): Promise<number>;

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
   * Ends a session for an operator: as `close` with the reason `revoked`, and in the same step the event `session_revoked` is appended to
   * the stream of its gateway, which closes its connection.
   */
  revoke(sessionId: string): Promise<void>;

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

/** Maximum number of sessions of a user that are connected or may resume. A message to the user visits all of them. */
export const maxSessionsPerUser = 256;

/** Number of messages to a user that are kept for sessions that resume: the newest, and fewer when these are more than `maxInboxBytes`. */
export const keptMessagesPerUser = 256;

/** Bytes of all kept messages to a user together. The newest is kept whatever its size. */
export const maxInboxBytes = 256 * 1024;

/** Maximum of the resume window, s, and of the interval of the pings, four of which a connection may be lost without notice. */
export const maxResumeWindowSeconds = 300;
export const maxHeartbeatSeconds = 60;

/**
 * For how long they are kept after the newest, s: longer than a session may be without a connection and resume, which is the resume
 * window, until it begins four pings, and up to 180 s for which a gateway retries to write it.
 */
export const messagesKeptSeconds = 900;
