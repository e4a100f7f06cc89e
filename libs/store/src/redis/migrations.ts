import { encodeRoomEvent } from '@flotilla/bus';
import { FlotillaError, type MediaSessionParameters, Migration } from '@flotilla/contracts';
import type { MigrationRequest, MigrationStore } from '../store.ts';
import type { Keys } from './keys.ts';
import type { ScriptClient } from './script-client.ts';

export class RedisMigrations implements MigrationStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async begin({ toNode = '', ...request }: MigrationRequest): Promise<Migration> {
    const { keys } = this;
    const { roomId, participantId, deadline } = request;
    const answer = await this.client.run<[string] | string>(
      'beginMigration',
      keys.room(roomId),
      keys.members(roomId),
      keys.homes(roomId),
      keys.beats(),
      keys.slots(),
      keys.reserved(),
      keys.migrations(roomId),
      keys.running(),
      roomId,
      participantId,
      JSON.stringify(request),
      toNode,
      Math.random(),
      Math.random(),
      deadline,
    );
    if (typeof answer === 'string')
      throw new FlotillaError(answer as 'NOT_IN_ROOM' | 'NO_CAPACITY' | 'MIGRATION_RUNNING');
    return Migration.parse(JSON.parse(answer[0]));
  }

  async prepared(migration: Migration, media: MediaSessionParameters): Promise<boolean> {
    const { id, roomId, participantId, sessionId, deadline, reason } = migration;
    const told = await this.client.run<number>(
      'migrationPrepared',
      this.keys.migrations(roomId),
      this.keys.events(roomId),
      participantId,
      id,
      JSON.stringify({ ...migration, step: 'prepared' } satisfies Migration),
      encodeRoomEvent({
        type: 'migrate',
        from: 'system',
        only: [sessionId],
        payload: { migrationId: id, media, deadline, reason },
      }),
    );
    return told === 1;
  }

  async commit(roomId: string, participantId: string, migrationId: string): Promise<boolean> {
    const { keys } = this;
    const committed = await this.client.run<number>(
      'commitMigration',
      keys.members(roomId),
      keys.homes(roomId),
      keys.reserved(),
      keys.migrations(roomId),
      keys.running(),
      keys.former(roomId, participantId),
      keys.events(roomId),
      roomId,
      participantId,
      migrationId,
    );
    return committed === 1;
  }

  async rollBack(roomId: string, participantId: string, migrationId: string): Promise<boolean> {
    const { keys } = this;
    const restored = await this.client.run<string[] | null>(
      'rollBackMigration',
      keys.homes(roomId),
      keys.reserved(),
      keys.publications(roomId),
      keys.migrations(roomId),
      keys.running(),
      keys.former(roomId, participantId),
      keys.events(roomId),
      roomId,
      participantId,
      migrationId,
    );
    return restored !== null;
  }

  async of(roomId: string, participantId: string): Promise<Migration | undefined> {
    const text = await this.client.do((redis) => redis.hget(this.keys.migrations(roomId), participantId));
    return text === null ? undefined : Migration.parse(JSON.parse(text));
  }

  async running(limit: number): Promise<Migration[]> {
    const { keys } = this;
    const names = await this.client.do((redis) => redis.zrange(keys.running(), 0, String(limit - 1)));
    const found: Migration[] = [];
    for (const name of names) {
      const [roomId, participantId] = name.split('/') as [string, string];
      const migration = await this.of(roomId, participantId);
      if (migration) found.push(migration);
      // Its room was deleted.
      else await this.client.do((redis) => redis.zrem(keys.running(), name));
    }
    return found;
  }
}
