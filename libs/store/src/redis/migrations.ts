import { encodeRoomEvent } from '@flotilla/bus/events';
import {
  FlotillaError,
  type MediaSessionParameters,
  Migration,
  type MigrationEnd,
  participantIdOf,
} from '@flotilla/contracts';
import type { LostNodeRequest, MediaRequest, MigrationRequest, MigrationStore } from '../store.ts';
import { forEachRecord } from '../each-record.ts';
import type { Keys } from './keys.ts';
import { readable } from './readable.ts';
import { parseMember } from './room-records.ts';
import type { ScriptClient } from './script-client.ts';
import { traceField } from './trace-field.ts';

export class RedisMigrations implements MigrationStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async begin(request: MigrationRequest): Promise<{ migration: Migration; media: MediaRequest }> {
    const { fromNode = '', toNode = '', term = '', ...migration } = request;
    const answer = await this.client.run('beginMigration', {
      roomId: migration.roomId,
      participantId: migration.participantId,
      migration: JSON.stringify(migration),
      migrationId: migration.id,
      startedAt: migration.startedAt,
      deadline: migration.deadline,
      fromNode,
      toNode,
      random1: Math.random(),
      random2: Math.random(),
      draw: Math.random(),
      term,
    });
    if (typeof answer === 'string') throw new FlotillaError(answer);
    return { migration: Migration.parse(JSON.parse(answer[0])), media: JSON.parse(answer[1]) as MediaRequest };
  }

  async prepared(migration: Migration, media: MediaSessionParameters): Promise<boolean> {
    const { id, roomId, participantId, sessionId, deadline, reason } = migration;
    const prepared = await this.client.run('prepareMigration', {
      roomId,
      participantId,
      migrationId: id,
      event: encodeRoomEvent({
        type: 'migrate',
        from: 'system',
        only: [sessionId],
        payload: { migrationId: id, media, deadline, reason },
      }),
    });
    return prepared === 1;
  }

  async commit(roomId: string, participantId: string, migrationId: string): Promise<Migration | undefined> {
    const values = { roomId, participantId, migrationId, endedAt: Date.now(), trace: traceField() };
    const answer = await this.client.run('commitMigration', values);
    if (answer === 'MIGRATION_NOT_ACTIVE') throw new FlotillaError(answer);
    return answer === 'repeated' ? undefined : Migration.parse(JSON.parse(answer[0]));
  }

  async rollBack(
    roomId: string,
    participantId: string,
    migrationId: string,
    end: Exclude<MigrationEnd, 'committed'>,
  ): Promise<boolean> {
    const values = { roomId, participantId, migrationId, ending: end, endedAt: Date.now(), trace: traceField() };
    return (await this.client.run('rollBackMigration', values)) === 1;
  }

  async reassignLost({
    fromNode = '',
    toNode = '',
    lostAfterMs,
    term,
    ...request
  }: LostNodeRequest): Promise<Migration> {
    const { id, roomId, sessionId, startedAt } = request;
    const participantId = participantIdOf(sessionId);
    const migration = {
      ...request,
      participantId,
      reason: 'node_lost' as const,
      step: 'prepared' as const,
      end: 'committed' as const,
      endedAt: startedAt,
    };
    const answer = await this.client.run('reassign', {
      roomId,
      participantId,
      excludeNodes: '[]',
      fromNode,
      toNode,
      random1: Math.random(),
      random2: Math.random(),
      draw: Math.random(),
      migration: JSON.stringify(migration),
      migrationId: id,
      startedAt,
      lostAfterMs,
      term: term ?? '',
      trace: traceField(),
    });
    if (answer === 'NODE_ALIVE')
      throw new FlotillaError('MIGRATION_NOT_ACTIVE', 'the node that the participant is on is alive');
    if (answer === 'NOT_ON_NODE')
      throw new FlotillaError('WRONG_STATE', 'the participant is on another node than the one that was lost');
    if (typeof answer === 'string') throw new FlotillaError(answer);
    const [member, lostNode] = answer;
    return { ...migration, fromNode: lostNode, toNode: parseMember(member).nodeId, deadline: startedAt };
  }

  async of(roomId: string, participantId: string): Promise<Migration | undefined> {
    const text = await this.client.do((redis) => redis.hget(this.keys.migrations(roomId), participantId));
    return text === null ? undefined : readable(Migration, text);
  }

  async running(limit: number): Promise<Migration[]> {
    const found: Migration[] = [];
    const names = await this.client.do((redis) => redis.zrange(this.keys.running(), 0, '-1'));
    await forEachRecord(names, async (name) => {
      if (found.length >= limit) return;
      const [roomId, participantId] = name.split('/') as [string, string];
      const migration = await this.of(roomId, participantId);
      if (migration) found.push(migration);
      else await this.client.run('dropMigration', { roomId, participantId });
    });
    return found;
  }
}
