import { type LogEntry, toEntries } from '@flotilla/bus/events';
import {
  FlotillaError,
  Grant,
  type LeaveReason,
  Offset,
  RoomClaim,
  RoomId,
  RoomRef,
  SessionId,
  UserId,
} from '@flotilla/contracts';
import { z } from 'zod';
import { cutoffKeptSeconds } from '../cutoff.ts';
import { missedMessages } from '../inbox.ts';
import { sessionRevoked } from '../session-revoked.ts';
import type {
  ConnectedSession,
  FailedRecord,
  ResumedSession,
  SessionClaims,
  SessionRecord,
  SessionStore,
  UsedToken,
} from '../store.ts';
import { forEachRecord } from '../each-record.ts';
import { grantsText, parseGrants } from './grants-text.ts';
import type { Keys } from './keys.ts';
import { readable } from './readable.ts';
import { answersOf, type ScriptClient } from './script-client.ts';
import { traceField } from './trace-field.ts';

const Stored = z.object({
  id: SessionId,
  userId: UserId,
  name: z.string().optional(),
  room: RoomClaim.optional(),
  grants: z.array(Grant),
  maxPublishBitrate: z.number().optional(),
  bridge: z.array(RoomRef),
  expiresAt: z.number(),
  gatewayId: z.string(),
  broadcastsAfter: Offset.optional(),
  rooms: z.array(RoomId),
});

function storedClaims(claims: SessionClaims): string[] {
  const { name = '', room = '', bridge, expiresAt } = claims;
  return Object.entries({
    name,
    room,
    grants: grantsText(claims),
    bridge: JSON.stringify(bridge),
    expiresAt: String(expiresAt),
  }).flat();
}

const tokenArguments = ({ id, keptUntil }: UsedToken): { tokenId: string; tokenSeconds: number } => ({
  tokenId: id,
  tokenSeconds: Math.max(1, Math.ceil((keptUntil - Date.now()) / 1000)),
});

/** Sessions per run of a script, which blocks Redis. */
const reattachBatch = 500;
/** Sessions that are read at once. */
const listBatch = 500;

export class RedisSessions implements SessionStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async requireOpenable(userId: string, { tokenId, issuedAt }: { tokenId: string; issuedAt: number }): Promise<void> {
    const outcome = await this.client.run('isOpenable', { userId, tokenId, issuedAt });
    if (outcome !== 'openable') throw new FlotillaError(outcome);
  }

  async open(session: Omit<SessionRecord, 'rooms'>, resumeHash: string, token?: UsedToken): Promise<Offset> {
    const { id: sessionId, userId, gatewayId, issuedAt = 0, broadcastsAfter } = session;
    const used = token ? tokenArguments(token) : { tokenId: '', tokenSeconds: 0 };
    const fields = [
      ...storedClaims(session),
      ...(broadcastsAfter === undefined ? [] : ['broadcastsAfter', broadcastsAfter]),
    ];
    const values = { sessionId, resumeHash, userId, gatewayId, ...used, issuedAt, fields };
    const outcome = await this.client.run('openSession', values);
    if (typeof outcome === 'string') throw new FlotillaError(outcome);
    return outcome[0];
  }

  async revokeTokens(userId: string | undefined, issuedBefore: number): Promise<void> {
    const keptSeconds = cutoffKeptSeconds(issuedBefore, Date.now());
    await this.client.run('revokeTokens', { whose: userId ?? '*', issuedBefore, keptSeconds });
  }

  async refresh(sessionId: string, resumeHash: string, token: UsedToken, claims: SessionClaims): Promise<void> {
    const { room = '', issuedAt = 0 } = claims;
    const values = {
      sessionId,
      resumeHash,
      ...tokenArguments(token),
      issuedAt,
      room,
      grants: grantsText(claims),
      trace: traceField(),
      claims: storedClaims(claims),
    };
    const outcome = await this.client.run('refreshSession', values);
    if (outcome !== 'refreshed') throw new FlotillaError(outcome);
  }

  ofUser(userId: string): Promise<string[]> {
    return this.client.do((redis) => redis.smembers(this.keys.userSessions(userId)));
  }

  issuedBefore(issuedBefore: number, skip: number, limit: number): Promise<string[]> {
    return this.client.do((redis) =>
      redis.zrangebyscore(this.keys.issued(), '-inf', `(${issuedBefore}`, 'LIMIT', skip, limit),
    );
  }

  count(): Promise<number> {
    return this.client.do((redis) => redis.zcard(this.keys.issued()));
  }

  async sendToUser(userId: string, message: string): Promise<Offset> {
    const offset = await this.client.run('sendToUser', { userId, message });
    if (offset === null) throw new FlotillaError('RECIPIENT_OFFLINE');
    return offset;
  }

  async messagesToUser(userId: string, after: Offset): Promise<{ complete: boolean; entries: LogEntry[] }> {
    const [raw, trimmed] = await this.client.run('messagesToUser', { userId });
    return missedMessages({ entries: toEntries(raw), isTrimmed: trimmed === 1 }, after);
  }

  async get(sessionId: string): Promise<SessionRecord | undefined> {
    const answers = await this.client.do((redis) =>
      redis.multi().hgetall(this.keys.session(sessionId)).smembers(this.keys.sessionRooms(sessionId)).exec(),
    );
    const [record = {}, rooms = []] = answersOf(answers) as [Record<string, string>?, string[]?];
    return parseSession(sessionId, record, rooms);
  }

  async detach(sessionId: string, resumeHash: string, windowMs: number): Promise<void> {
    await this.client.run('detachSession', { sessionId, resumeHash, windowMs });
  }

  async resume(resumeHash: string, nextHash: string, gatewayId: string): Promise<ResumedSession | undefined> {
    const answer = await this.client.run('resumeSession', { resumeHash, nextHash, gatewayId });
    if (!answer) return undefined;
    const [id, flat, rooms] = answer;
    const record: Record<string, string> = {};
    for (let index = 0; index < flat.length; index += 2) record[flat[index]!] = flat[index + 1]!;
    const session = parseSession(id, record, rooms);
    return session && { session, replacedHash: record['resumeHash'] ?? '' };
  }

  async confirmResume(sessionId: string, usedHash: string, nextHash: string): Promise<boolean> {
    return (await this.client.run('confirmResume', { sessionId, usedHash, nextHash })) === 1;
  }

  async connectedTo(gatewayId: string, expected: number): Promise<ConnectedSession[]> {
    const key = this.keys.gatewaySessions(gatewayId);
    if ((await this.client.do((redis) => redis.scard(key))) <= expected) return [];
    const ids = await this.client.do((redis) => redis.smembers(key));
    const connected: ConnectedSession[] = [];
    for (let from = 0; from < ids.length; from += listBatch) {
      const batch = ids.slice(from, from + listBatch);
      const answers = await this.client.do((redis) =>
        redis.pipeline(batch.map((id) => ['hget', this.keys.session(id), 'resumeHash'])).exec(),
      );
      answersOf(answers).forEach((hash, index) =>
        connected.push({ id: batch[index]!, resumeHash: typeof hash === 'string' ? hash : '' }),
      );
    }
    return connected;
  }

  async isResumable(resumeHash: string): Promise<boolean> {
    return (await this.client.run('isResumable', { resumeHash })) === 1;
  }

  async close(sessionId: string, reason: LeaveReason, resumeHash = ''): Promise<readonly string[]> {
    return (await this.#close({ sessionId, reason, resumeHash })) ?? [];
  }

  async revoke(sessionId: string): Promise<void> {
    await this.#close({ sessionId, reason: 'revoked', revokedEvent: sessionRevoked(sessionId) });
  }

  #close(values: {
    sessionId: string;
    reason: LeaveReason;
    resumeHash?: string;
    expiredOnly?: string;
    revokedEvent?: string;
  }): Promise<string[] | null> {
    const defaults = { resumeHash: '', expiredOnly: '', revokedEvent: '', trace: traceField() };
    return this.client.run('closeSession', { ...defaults, ...values });
  }

  async closeExpired(sessionId: string): Promise<boolean> {
    return (await this.#close({ sessionId, reason: 'disconnected', expiredOnly: 'yes' })) !== null;
  }

  async gatewayAlive(gatewayId: string): Promise<boolean> {
    return (await this.client.run('gatewayAlive', { gatewayId })) === 1;
  }

  async reattach(sessionIds: readonly string[], gatewayId: string): Promise<void> {
    for (let from = 0; from < sessionIds.length; from += reattachBatch) {
      const batch = sessionIds.slice(from, from + reattachBatch);
      await this.client.run('reattachSessions', { gatewayId, sessionIds: batch });
    }
  }

  async detachOrphaned(
    timeoutMs: number,
    windowMs: number,
    limit: number,
  ): Promise<{ detached: number; failed: FailedRecord[]; more: boolean }> {
    const values = { timeoutMs, windowMs, limit };
    let detached = 0;
    let more = false;
    const gateways = await this.client.run('deadGateways', { timeoutMs });
    const failed = await forEachRecord(gateways, async (gatewayId) => {
      const [count, remaining] = await this.client.run('detachOrphaned', { gatewayId, ...values });
      detached += count;
      more ||= remaining === 1;
    });
    return { detached, failed, more };
  }

  due(limit: number): Promise<string[]> {
    return this.client.run('dueSessions', { limit });
  }
}

/** The fields of the stored hash are text, empty where a value is absent. Undefined for a hash that this version cannot read. */
function parseSession(
  id: string,
  record: Readonly<Record<string, string>>,
  rooms: readonly string[],
): SessionRecord | undefined {
  const { userId, name, room, grants = '', bridge = '', expiresAt, gatewayId, broadcastsAfter } = record;
  const session = Stored.safeParse({
    id,
    userId,
    name: name || undefined,
    room: room || undefined,
    ...parseGrants(grants, Grant.options),
    bridge: readable(z.unknown(), bridge),
    expiresAt: Number(expiresAt),
    gatewayId,
    broadcastsAfter,
    rooms,
  });
  return session.success ? session.data : undefined;
}
