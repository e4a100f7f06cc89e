import { gatewayStream, type LogEntry, toEntries } from '@flotilla/bus';
import { FlotillaError, Grant, type Offset, RoomId, RoomRef, SessionId, UserId } from '@flotilla/contracts';
import { z } from 'zod';
import { missedMessages } from '../inbox.ts';
import type { SessionClaims, SessionRecord, SessionStore } from '../store.ts';
import type { Keys } from './keys.ts';
import type { ScriptClient } from './script-client.ts';

const Stored = z.object({
  id: SessionId,
  userId: UserId,
  name: z.string().optional(),
  room: RoomRef.optional(),
  grants: z.array(Grant),
  bridge: z.array(RoomRef),
  expiresAt: z.number(),
  gatewayId: z.string(),
  rooms: z.array(RoomId),
});

function storedClaims({ name = '', room = '', grants, bridge, expiresAt }: SessionClaims): string[] {
  return Object.entries({
    name,
    room,
    grants: JSON.stringify(grants),
    bridge: JSON.stringify(bridge),
    expiresAt: String(expiresAt),
  }).flat();
}

/** Sessions one script run looks at: Redis serves nobody else meanwhile. */
const reattachBatch = 500;

export class RedisSessions implements SessionStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async useTokenOnce(jti: string, expiresAt: number): Promise<boolean> {
    const answer = await this.client.do((redis) =>
      redis.set(this.keys.usedToken(jti), '1', 'PX', Math.max(1, expiresAt - Date.now()), 'NX'),
    );
    return answer === 'OK';
  }

  async open(session: Omit<SessionRecord, 'rooms'>, resumeHash: string): Promise<Offset> {
    const { keys } = this;
    const { id, userId, gatewayId } = session;
    return this.client.run<Offset>(
      'openSession',
      keys.session(id),
      keys.resume(resumeHash),
      keys.gatewaySessions(gatewayId),
      keys.userSessions(userId),
      keys.inbox(userId),
      id,
      resumeHash,
      'userId',
      userId,
      'gatewayId',
      gatewayId,
      ...storedClaims(session),
    );
  }

  async refresh(sessionId: string, claims: SessionClaims): Promise<void> {
    await this.client.run('refreshSession', this.keys.session(sessionId), ...storedClaims(claims));
  }

  async ofUser(userId: string): Promise<SessionRecord[]> {
    const ids = await this.client.do((redis) => redis.smembers(this.keys.userSessions(userId)));
    const records = await Promise.all(ids.map((id) => this.get(id)));
    return records.filter((record) => record !== undefined);
  }

  async sendToUser(userId: string, message: string): Promise<Offset> {
    const { keys } = this;
    const offset = await this.client.run<Offset | null>(
      'sendToUser',
      keys.userSessions(userId),
      keys.inbox(userId),
      keys.detached(),
      userId,
      message,
      keys.session(''),
      keys.stream(gatewayStream('')),
    );
    if (offset === null) throw new FlotillaError('RECIPIENT_OFFLINE');
    return offset;
  }

  async messagesToUser(userId: string, after: Offset): Promise<{ complete: boolean; entries: LogEntry[] }> {
    const raw = await this.client.do((redis) => redis.xrange(this.keys.inbox(userId), '-', '+'));
    return missedMessages(toEntries(raw), after);
  }

  async setRoom(sessionId: string, roomId: string, inRoom: boolean): Promise<void> {
    await this.client.run(
      'setSessionRoom',
      this.keys.session(sessionId),
      this.keys.sessionRooms(sessionId),
      roomId,
      inRoom ? 1 : 0,
    );
  }

  async get(sessionId: string): Promise<SessionRecord | undefined> {
    const answers = await this.client.do((redis) =>
      redis.multi().hgetall(this.keys.session(sessionId)).smembers(this.keys.sessionRooms(sessionId)).exec(),
    );
    const [record, rooms] = answers!.map(([, value]) => value) as [Record<string, string>, string[]];
    return Object.keys(record).length === 0 ? undefined : parseSession(sessionId, record, rooms);
  }

  async detach(sessionId: string, resumeHash: string, windowMs: number): Promise<void> {
    const { keys } = this;
    await this.client.run(
      'detachSession',
      keys.session(sessionId),
      keys.detached(),
      sessionId,
      resumeHash,
      windowMs,
      keys.gatewaySessions('%'),
    );
  }

  async resume(resumeHash: string, nextHash: string, gatewayId: string): Promise<SessionRecord | undefined> {
    const { keys } = this;
    const answer = await this.client.run<[string, string[], string[]] | null>(
      'resumeSession',
      keys.resume(resumeHash),
      keys.resume(nextHash),
      keys.detached(),
      keys.gatewaySessions(gatewayId),
      keys.session(''),
      nextHash,
      gatewayId,
      keys.gatewaySessions('%'),
    );
    if (!answer) return undefined;
    const [id, flat, rooms] = answer;
    const record: Record<string, string> = {};
    for (let index = 0; index < flat.length; index += 2) record[flat[index]!] = flat[index + 1]!;
    return parseSession(id, record, rooms);
  }

  async isResumable(resumeHash: string): Promise<boolean> {
    const { keys } = this;
    return (
      (await this.client.run<number>('isResumable', keys.resume(resumeHash), keys.detached(), keys.session(''))) === 1
    );
  }

  async close(sessionId: string): Promise<void> {
    const { keys } = this;
    await this.client.run(
      'closeSession',
      keys.session(sessionId),
      keys.sessionRooms(sessionId),
      keys.detached(),
      sessionId,
      keys.resume(''),
      keys.gatewaySessions('%'),
      keys.userSessions('%'),
    );
  }

  async gatewayAlive(gatewayId: string): Promise<boolean> {
    return (await this.client.run<number>('gatewayAlive', this.keys.gateways(), gatewayId)) === 1;
  }

  async reattach(sessionIds: readonly string[], gatewayId: string): Promise<void> {
    const { keys } = this;
    for (let from = 0; from < sessionIds.length; from += reattachBatch) {
      await this.client.run(
        'reattachSessions',
        keys.detached(),
        keys.gatewaySessions(gatewayId),
        gatewayId,
        keys.session(''),
        ...sessionIds.slice(from, from + reattachBatch),
      );
    }
  }

  async detachOrphaned(silentMs: number, windowMs: number): Promise<number> {
    return this.client.run<number>(
      'detachOrphaned',
      this.keys.gateways(),
      this.keys.detached(),
      silentMs,
      windowMs,
      this.keys.gatewaySessions('%'),
    );
  }

  async due(limit: number): Promise<SessionRecord[]> {
    const ids = await this.client.run<string[]>('dueSessions', this.keys.detached(), limit);
    const found: SessionRecord[] = [];
    for (const id of ids) {
      const session = await this.get(id);
      if (session) found.push(session);
      else await this.close(id);
    }
    return found;
  }
}

/** The hash as it is kept has text fields only, empty for what there is not. */
function parseSession(id: string, record: Readonly<Record<string, string>>, rooms: readonly string[]): SessionRecord {
  const { userId, name, room, grants, bridge, expiresAt, gatewayId } = record;
  return Stored.parse({
    id,
    userId,
    name: name || undefined,
    room: room || undefined,
    grants: JSON.parse(grants ?? 'null'),
    bridge: JSON.parse(bridge ?? 'null'),
    expiresAt: Number(expiresAt),
    gatewayId,
    rooms,
  });
}
