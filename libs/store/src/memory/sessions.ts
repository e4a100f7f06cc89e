import { gatewayStream, idleStreamSeconds, type LogEntry, nextOffset } from '@flotilla/bus/events';
import {
  FlotillaError,
  type LeaveReason,
  type Offset,
  participantIdOf,
  startOfStream,
  type TopologyVertex,
} from '@flotilla/contracts';
import { cutoffKeptSeconds } from '../cutoff.ts';
import { type Inbox, missedMessages } from '../inbox.ts';
import { sessionRevoked } from '../session-revoked.ts';
import {
  type ConnectedSession,
  type FailedRecord,
  keptMessagesPerUser,
  maxInboxBytes,
  maxSessionsPerUser,
  type ResumedSession,
  resumeRepeatSeconds,
  type SessionClaims,
  type SessionRecord,
  type SessionStore,
  type UsedToken,
} from '../store.ts';
import { gatewayLateMs, type mediaOf } from '../topology.ts';
import type { MemoryState, SessionEntry } from './state.ts';

/** The newest messages of an inbox that it keeps. */
function newestWithin(entries: readonly LogEntry[]): readonly LogEntry[] {
  let bytes = 0;
  const firstKept = entries.findLastIndex(({ data }) => (bytes += Buffer.byteLength(data)) > maxInboxBytes) + 1;
  return entries.slice(Math.min(firstKept, entries.length - 1)).slice(-keptMessagesPerUser);
}

export class MemorySessions implements SessionStore {
  readonly #sessions: Map<string, SessionEntry>;
  readonly #byResumeHash = new Map<string, string>();
  /** Used resume tokens that still work, until when. */
  readonly #usedUntil = new Map<string, number>();
  readonly #usedTokens = new Map<string, number>();
  readonly #gateways = new Map<string, number>();
  readonly #inboxes = new Map<string, Inbox>();

  constructor(private readonly shared: MemoryState) {
    this.#sessions = shared.sessions;
  }

  async requireOpenable(userId: string, token: { tokenId: string; issuedAt: number }): Promise<void> {
    this.#requireOpenable(userId, token.issuedAt, token.tokenId);
  }

  /** Throws TOKEN_REVOKED, TOKEN_REPLAYED, TOO_MANY_SESSIONS. */
  #requireOpenable(userId: string, issuedAt: number, tokenId: string | undefined): void {
    if (this.shared.isRevoked(userId, issuedAt)) throw new FlotillaError('TOKEN_REVOKED');
    if (tokenId !== undefined && this.#isUsed(tokenId)) throw new FlotillaError('TOKEN_REPLAYED');
    if (this.shared.sessionsOf(userId).length >= maxSessionsPerUser) throw new FlotillaError('TOO_MANY_SESSIONS');
  }

  #isUsed(tokenId: string): boolean {
    return (this.#usedTokens.get(tokenId) ?? 0) > this.shared.now();
  }

  /** Throws TOKEN_REPLAYED. */
  #useToken({ id: tokenId, keptUntil }: UsedToken): void {
    const now = this.shared.now();
    for (const [id, expires] of this.#usedTokens) {
      // Tokens have about the same lifetime, so the first to expire come first.
      if (expires > now) break;
      this.#usedTokens.delete(id);
    }
    if (this.#isUsed(tokenId)) throw new FlotillaError('TOKEN_REPLAYED');
    this.#usedTokens.set(tokenId, keptUntil);
  }

  async revokeTokens(userId: string | undefined, issuedBefore: number): Promise<void> {
    const now = this.shared.now();
    const { cutoffs } = this.shared;
    for (const [whose, { keptUntil }] of cutoffs) if (keptUntil <= now) cutoffs.delete(whose);
    const whose = userId ?? '*';
    if ((cutoffs.get(whose)?.issuedBefore ?? 0) >= issuedBefore) return;
    cutoffs.set(whose, { issuedBefore, keptUntil: now + cutoffKeptSeconds(issuedBefore, now) * 1000 });
  }

  async open(
    { issuedAt = 0, ...session }: Omit<SessionRecord, 'rooms'>,
    resumeHash: string,
    token?: UsedToken,
  ): Promise<Offset> {
    this.#requireOpenable(session.userId, issuedAt, token?.id);
    if (token) this.#useToken(token);
    this.#sessions.set(session.id, { ...session, issuedAt, resumeHash });
    this.#byResumeHash.set(resumeHash, session.id);
    return this.#inboxes.get(session.userId)?.entries.at(-1)?.offset ?? startOfStream;
  }

  async refresh(sessionId: string, resumeHash: string, token: UsedToken, claims: SessionClaims): Promise<void> {
    const session = this.#sessions.get(sessionId);
    if (session?.resumeHash !== resumeHash) throw new FlotillaError('SESSION_EXPIRED');
    if (session.tokenId === token.id) return;
    if (this.shared.isRevoked(session.userId, claims.issuedAt)) throw new FlotillaError('TOKEN_REVOKED');
    this.#useToken(token);
    const { name, room, grants, maxPublishBitrate, bridge, issuedAt = 0, expiresAt } = claims;
    const refreshed = { name, room, grants, maxPublishBitrate, bridge, issuedAt, expiresAt, tokenId: token.id };
    this.#sessions.set(sessionId, { ...session, ...refreshed });
    this.shared.setGrants(sessionId, claims);
  }

  async ofUser(userId: string): Promise<string[]> {
    return this.shared.sessionsOf(userId);
  }

  async issuedBefore(issuedBefore: number, skip: number, limit: number): Promise<string[]> {
    return [...this.#sessions.values()]
      .filter(({ issuedAt }) => issuedAt < issuedBefore)
      .toSorted((one, other) => one.issuedAt - other.issuedAt)
      .slice(skip, skip + limit)
      .map(({ id }) => id);
  }

  async count(): Promise<number> {
    return this.#sessions.size;
  }

  async sendToUser(userId: string, message: string): Promise<Offset> {
    const now = this.shared.now();
    const sessions = [...this.#sessions.values()].filter((each) => each.userId === userId);
    if (!sessions.some(({ dueAt }) => dueAt === undefined || dueAt > now)) throw new FlotillaError('RECIPIENT_OFFLINE');
    const { entries = [], isTrimmed = false } = this.#inboxes.get(userId) ?? {};
    const offset = nextOffset(entries.at(-1)?.offset ?? startOfStream, now);
    const kept = newestWithin([...entries, { offset, data: message }]);
    this.#inboxes.set(userId, { entries: kept, isTrimmed: isTrimmed || kept.length <= entries.length });
    const gateways = new Set(sessions.flatMap(({ dueAt, gatewayId }) => (dueAt === undefined ? [gatewayId] : [])));
    for (const gateway of gateways) {
      this.shared.log.appendNow(
        gatewayStream(gateway),
        `{"type":"user_message","userId":"${userId}","seq":"${offset}","message":${message}}`,
        idleStreamSeconds,
      );
    }
    return offset;
  }

  async messagesToUser(userId: string, after: Offset): Promise<{ complete: boolean; entries: LogEntry[] }> {
    return missedMessages(this.#inboxes.get(userId) ?? { entries: [], isTrimmed: false }, after);
  }

  async get(sessionId: string): Promise<SessionRecord | undefined> {
    const session = this.#sessions.get(sessionId);
    return session && this.#record(session);
  }

  async detach(sessionId: string, resumeHash: string, windowMs: number): Promise<void> {
    const session = this.#sessions.get(sessionId);
    if (session?.resumeHash !== resumeHash) return;
    this.#sessions.set(sessionId, { ...session, dueAt: this.shared.now() + windowMs });
    this.shared.setConnection(sessionId, 'reconnecting');
  }

  async resume(resumeHash: string, nextHash: string, gatewayId: string): Promise<ResumedSession | undefined> {
    this.#expireUsed();
    const session = this.#resumable(resumeHash);
    if (!session) return undefined;
    for (const used of [resumeHash, session.resumeHash])
      if (!this.#usedUntil.has(used)) this.#usedUntil.set(used, this.shared.now() + resumeRepeatSeconds * 1000);
    this.#byResumeHash.set(nextHash, session.id);
    const { dueAt: _ended, ...rest } = session;
    this.#sessions.set(session.id, { ...rest, gatewayId, resumeHash: nextHash });
    this.shared.setConnection(session.id, 'connected');
    return { session: this.#record(session), replacedHash: session.resumeHash };
  }

  /** Used tokens have the same lifetime, so the first to expire come first. */
  #expireUsed(): void {
    for (const [hash, until] of this.#usedUntil) {
      if (until > this.shared.now()) break;
      this.#forget(hash);
    }
  }

  #forget(resumeHash: string): void {
    this.#usedUntil.delete(resumeHash);
    this.#byResumeHash.delete(resumeHash);
  }

  async confirmResume(sessionId: string, usedHash: string, nextHash: string): Promise<boolean> {
    if (this.#sessions.get(sessionId)?.resumeHash !== nextHash) return false;
    this.#forget(usedHash);
    return true;
  }

  async connectedTo(gatewayId: string, expected: number): Promise<ConnectedSession[]> {
    const connected = [...this.#sessions.values()].filter(
      (session) => session.gatewayId === gatewayId && session.dueAt === undefined,
    );
    return connected.length <= expected ? [] : connected.map(({ id, resumeHash }) => ({ id, resumeHash }));
  }

  #resumable(resumeHash: string): SessionEntry | undefined {
    const session = this.#sessions.get(this.#byResumeHash.get(resumeHash) ?? '');
    return session && (session.dueAt ?? Infinity) > this.shared.now() ? session : undefined;
  }

  async isResumable(resumeHash: string): Promise<boolean> {
    this.#expireUsed();
    return this.#resumable(resumeHash) !== undefined;
  }

  async close(sessionId: string, reason: LeaveReason, resumeHash?: string): Promise<readonly string[]> {
    const held = this.#sessions.get(sessionId)?.resumeHash;
    if (held !== undefined && resumeHash !== undefined && held !== resumeHash) return [];
    const participantId = participantIdOf(sessionId);
    const left = this.shared.roomsOf(sessionId).filter((roomId) => this.shared.leave(roomId, participantId, reason));
    const session = this.#sessions.get(sessionId);
    if (!session) return left;
    this.#sessions.delete(sessionId);
    this.#byResumeHash.delete(session.resumeHash);
    if ((await this.ofUser(session.userId)).length === 0) this.#inboxes.delete(session.userId);
    return left;
  }

  async revoke(sessionId: string): Promise<void> {
    const gatewayId = this.#sessions.get(sessionId)?.gatewayId;
    await this.close(sessionId, 'revoked');
    if (gatewayId !== undefined) this.shared.log.appendNow(gatewayStream(gatewayId), sessionRevoked(sessionId));
  }

  async closeExpired(sessionId: string): Promise<boolean> {
    const dueAt = this.#sessions.get(sessionId)?.dueAt;
    if (dueAt === undefined || dueAt > this.shared.now()) return false;
    await this.close(sessionId, 'disconnected');
    return true;
  }

  async gatewayAlive(gatewayId: string): Promise<boolean> {
    const known = this.#gateways.has(gatewayId);
    this.#gateways.set(gatewayId, this.shared.now());
    return known;
  }

  async reattach(sessionIds: readonly string[], gatewayId: string): Promise<void> {
    for (const id of sessionIds) {
      const session = this.#sessions.get(id);
      if (session?.gatewayId !== gatewayId) continue;
      const { dueAt: _due, ...rest } = session;
      this.#sessions.set(id, rest);
      this.shared.setConnection(id, 'connected');
    }
  }

  async detachOrphaned(
    timeoutMs: number,
    windowMs: number,
    limit: number,
  ): Promise<{ detached: number; failed: FailedRecord[]; more: boolean }> {
    const oldest = this.shared.now() - timeoutMs;
    let detached = 0;
    let more = false;
    for (const [gatewayId, seenAt] of this.#gateways) {
      if (seenAt > oldest) continue;
      const orphaned = [...this.#sessions.values()].filter(
        (session) => session.gatewayId === gatewayId && session.dueAt === undefined,
      );
      for (const { id, resumeHash } of orphaned.slice(0, limit)) await this.detach(id, resumeHash, windowMs);
      detached += Math.min(orphaned.length, limit);
      if (orphaned.length <= limit) this.#gateways.delete(gatewayId);
      else more = true;
    }
    return { detached, failed: [], more };
  }

  /** The gateways, and the sessions that are connected or may resume. */
  vertices(media: ReturnType<typeof mediaOf>): [TopologyVertex[], TopologyVertex[]] {
    const now = this.shared.now();
    const connectedTo = new Map<string, number>();
    const sessions: TopologyVertex[] = [];
    for (const { id, userId, name, gatewayId, dueAt } of this.#sessions.values()) {
      if (dueAt !== undefined && dueAt <= now) continue;
      const connected = dueAt === undefined;
      if (connected) connectedTo.set(gatewayId, (connectedTo.get(gatewayId) ?? 0) + 1);
      sessions.push({
        kind: 'session',
        id,
        userId,
        ...(name !== undefined && { name }),
        gatewayId,
        connected,
        rooms: this.shared.roomsOf(id).toSorted(),
        media: media.get(id) ?? [],
      });
    }
    const gateways = [...this.#gateways].map(([id, seenAt]): TopologyVertex => {
      return { kind: 'gateway', id, alive: seenAt >= now - gatewayLateMs, sessions: connectedTo.get(id) ?? 0 };
    });
    return [gateways, sessions];
  }

  async due(limit: number): Promise<string[]> {
    const now = this.shared.now();
    return [...this.#sessions.values()]
      .filter(({ dueAt }) => dueAt !== undefined && dueAt <= now)
      .slice(0, limit)
      .map(({ id }) => id);
  }

  #record(entry: SessionEntry): SessionRecord {
    const { resumeHash: _resumeHash, dueAt: _dueAt, tokenId: _tokenId, issuedAt: _issuedAt, ...session } = entry;
    return { ...session, rooms: this.shared.roomsOf(session.id) };
  }
}
