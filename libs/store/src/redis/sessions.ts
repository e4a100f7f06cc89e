import { Grant, RoomId, RoomRef, SessionId, UserId } from '@flotilla/contracts';
import { z } from 'zod';
import type { SessionRecord, SessionStore } from '../store.ts';
import type { Keys } from './keys.ts';
import type { ScriptClient } from './script-client.ts';

/** The hash as it is kept: text fields only. */
const Stored = z.object({
  userId: UserId,
  name: z.string().optional(),
  room: RoomRef.optional(),
  grants: z.string().transform((text) => z.array(Grant).parse(JSON.parse(text))),
  gatewayId: z.string(),
});

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

  async open(session: Omit<SessionRecord, 'rooms'>, resumeHash: string): Promise<void> {
    const { keys } = this;
    const { id, userId, name, room, grants, gatewayId } = session;
    const fields = Object.entries({ userId, name, room, grants: JSON.stringify(grants), gatewayId }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    await this.client.run(
      'openSession',
      keys.session(id),
      keys.resume(resumeHash),
      keys.gatewaySessions(gatewayId),
      id,
      resumeHash,
      ...fields.flat(),
    );
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

  async detach(sessionId: string, gatewayId: string, windowMs: number): Promise<void> {
    const { keys } = this;
    await this.client.run(
      'detachSession',
      keys.session(sessionId),
      keys.detached(),
      keys.gatewaySessions(gatewayId),
      sessionId,
      gatewayId,
      windowMs,
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
    const record = Object.fromEntries(
      Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2], flat[index * 2 + 1]]),
    );
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
    );
  }

  async gatewayAlive(gatewayId: string): Promise<void> {
    await this.client.run('gatewayAlive', this.keys.gateways(), gatewayId);
  }

  async detachLost(silentMs: number, windowMs: number): Promise<number> {
    return this.client.run<number>(
      'detachLost',
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

function parseSession(id: string, record: unknown, rooms: readonly string[]): SessionRecord {
  return { id: SessionId.parse(id), ...Stored.parse(record), rooms: z.array(RoomId).parse(rooms) };
}
