import {
  FlotillaError,
  type MediaSessionParameters,
  type Migration,
  type MigrationEnd,
  publicPublication,
} from '@flotilla/contracts';
import {
  type LostNodeRequest,
  type MediaRequest,
  type MigrationRequest,
  type MigrationStore,
  plannerLease,
} from '../store.ts';
import type { MemoryLeases } from './leases.ts';
import type { ActiveMigration, MemoryState, RoomRecord } from './state.ts';

export class MemoryMigrations implements MigrationStore {
  constructor(
    private readonly shared: MemoryState,
    private readonly leases: MemoryLeases,
  ) {}

  #requireCurrent(term: number | undefined): void {
    if (term !== undefined && term < this.leases.lastTerm(plannerLease)) throw new FlotillaError('STALE_TERM');
  }

  async begin(request: MigrationRequest): Promise<{ migration: Migration; media: MediaRequest }> {
    const { fromNode, toNode: requestedNode, term, ...rest } = request;
    this.#requireCurrent(term);
    const { roomId, participantId } = rest;
    const record = this.shared.rooms.get(roomId);
    const member = record?.members.get(participantId);
    if (!record || !member) throw new FlotillaError('NOT_IN_ROOM');
    if (record.migrations.has(participantId)) throw new FlotillaError('MIGRATION_RUNNING');
    if (fromNode !== undefined && fromNode !== member.nodeId) throw new FlotillaError('MIGRATION_NOT_ACTIVE');
    const media = record.mediaRequests.get(participantId);
    if (!media) throw new FlotillaError('MEDIA_NOT_OPEN');
    const toNode = this.shared.chooseNode(record, { exclude: [member.nodeId], only: requestedNode });
    this.shared.nodes.reserve(toNode, 1);
    const migration: Migration = { ...rest, fromNode: member.nodeId, toNode, step: 'reserved' };
    record.migrations.set(participantId, { migration, previous: new Map() });
    this.shared.history.write(migration);
    return { migration, media };
  }

  #active(
    roomId: string,
    participantId: string,
    migrationId: string,
  ): { record: RoomRecord; active: ActiveMigration } | undefined {
    const record = this.shared.rooms.get(roomId);
    const active = record?.migrations.get(participantId);
    return record && active?.migration.id === migrationId ? { record, active } : undefined;
  }

  async prepared({ id, roomId, participantId }: Migration, media: MediaSessionParameters): Promise<boolean> {
    const { active } = this.#active(roomId, participantId, id) ?? {};
    if (!active) return false;
    active.migration = { ...active.migration, step: 'prepared' };
    this.shared.history.write(active.migration);
    const { sessionId, deadline, reason } = active.migration;
    this.shared.append(roomId, {
      type: 'migrate',
      from: 'system',
      only: [sessionId],
      payload: { migrationId: id, media, deadline, reason },
    });
    return true;
  }

  async commit(roomId: string, participantId: string, migrationId: string): Promise<Migration | undefined> {
    if (this.shared.rooms.get(roomId)?.committed.get(participantId) === migrationId) return undefined;
    const { record, active } = this.#active(roomId, participantId, migrationId) ?? {};
    if (!record || active?.migration.step !== 'prepared') throw new FlotillaError('MIGRATION_NOT_ACTIVE');
    const { migration } = active;
    const { toNode: nodeId } = migration;
    this.shared.assign(record, record.members.get(participantId)!, nodeId);
    record.migrations.delete(participantId);
    record.committed.set(participantId, migrationId);
    this.shared.append(roomId, {
      type: 'participant_moved',
      from: 'system',
      payload: { participantId, nodeId, migrationId },
    });
    for (const publication of [...record.publications.values()]) {
      if (publication.participantId === participantId && publication.nodeId !== nodeId)
        this.shared.unpublish(record, participantId, publication.id);
    }
    this.shared.history.write({ ...migration, end: 'committed', endedAt: this.shared.now() });
    return migration;
  }

  async rollBack(
    roomId: string,
    participantId: string,
    migrationId: string,
    end: Exclude<MigrationEnd, 'committed'>,
  ): Promise<boolean> {
    const { record, active } = this.#active(roomId, participantId, migrationId) ?? {};
    if (!record || !active) return false;
    const { nodeId } = record.members.get(participantId)!;
    for (const publication of [...record.publications.values()]) {
      if (publication.participantId !== participantId) continue;
      const previous = active.previous.get(publication.id);
      if (previous) {
        record.publications.set(publication.id, previous);
        this.shared.append(roomId, {
          type: 'publication_updated',
          from: participantId,
          payload: { publication: publicPublication(previous) },
        });
      } else if (publication.nodeId !== nodeId) {
        this.shared.unpublish(record, participantId, publication.id);
      }
    }
    this.shared.endMigration(record, participantId);
    this.shared.append(roomId, {
      type: 'migration_rolled_back',
      from: 'system',
      only: [active.migration.sessionId],
      payload: { migrationId },
    });
    this.shared.history.write({ ...active.migration, end, endedAt: this.shared.now() });
    return true;
  }

  async reassignLost({ fromNode, toNode, lostAfterMs, term, ...request }: LostNodeRequest): Promise<Migration> {
    this.#requireCurrent(term);
    const { roomId, participantId, startedAt } = request;
    const record = this.shared.rooms.get(roomId);
    const member = record?.members.get(participantId);
    if (!record || !member) throw new FlotillaError('NOT_IN_ROOM');
    if (fromNode !== undefined && fromNode !== member.nodeId)
      throw new FlotillaError('WRONG_STATE', 'the participant is on another node than the one that was lost');
    const nodes = this.shared.nodes.view();
    const newest = Math.max(...nodes.map(({ lastSeenAt }) => lastSeenAt));
    if (nodes.some(({ id, lastSeenAt }) => id === member.nodeId && newest - lastSeenAt < lostAfterMs))
      throw new FlotillaError('MIGRATION_NOT_ACTIVE', 'the node that the participant is on is alive');
    const nodeId = this.#preferred(record, toNode, member.nodeId);
    this.shared.nodes.markStale(member.nodeId);
    this.shared.nodes.reserve(nodeId, 1);
    this.shared.abortMigration(record, participantId);
    this.shared.assign(record, member, nodeId);
    this.shared.append(roomId, { type: 'participant_moved', from: 'system', payload: { participantId, nodeId } });
    this.shared.append(roomId, {
      type: 'media_lost',
      from: 'system',
      payload: { participantIds: [participantId], reason: 'node_lost' },
    });
    const migration: Migration = {
      ...request,
      fromNode: member.nodeId,
      toNode: nodeId,
      reason: 'node_lost',
      step: 'prepared',
      deadline: startedAt,
    };
    this.shared.history.write({ ...migration, end: 'committed', endedAt: startedAt });
    return migration;
  }

  /** The preferred node when it has capacity, else the best. */
  #preferred(record: RoomRecord, preferred: string | undefined, lost: string): string {
    const exclude = [lost];
    try {
      return this.shared.chooseNode(record, { exclude, only: preferred });
    } catch (error) {
      if (preferred === undefined || FlotillaError.from(error).code !== 'NO_CAPACITY') throw error;
      return this.shared.chooseNode(record, { exclude });
    }
  }

  async of(roomId: string, participantId: string): Promise<Migration | undefined> {
    return this.shared.rooms.get(roomId)?.migrations.get(participantId)?.migration;
  }

  async running(limit: number): Promise<Migration[]> {
    return [...this.shared.rooms.values()]
      .flatMap(({ migrations }) => [...migrations.values()].map(({ migration }) => migration))
      .sort((a, b) => a.deadline - b.deadline)
      .slice(0, limit);
  }
}
