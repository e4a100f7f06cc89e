import { appendRoomEvent, type CommandBus, type EventLog } from '@flotilla/bus';
import {
  type CommandPayload,
  type ErrorCode,
  FlotillaError,
  type Member,
  type Migration,
  type MigrationEnd,
  type MigrationRecord,
  migrationTimeoutMs,
  newId,
  type NodeView,
  participantIdOf,
  sfuQueue,
} from '@flotilla/contracts';
import { counter, histogram, type Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';

/** What one step may take: opening transports on a node. */
const stepTimeoutMs = 4000;
const overduePerSweep = 200;
/** A node is not taken for lost unless its last heartbeat is this much older than that of another; it beats every 500 ms. */
const lostAfterMs = 600;

const outcomes = counter({
  name: 'registry_migrations_total',
  help: 'Migrations by reason and outcome: committed, rolled_back, timed_out, or the error code of one that did not begin.',
  labelNames: ['reason', 'outcome'],
});
const seconds = histogram({
  name: 'registry_migration_duration_seconds',
  help: 'From the beginning of a migration to its commit.',
  buckets: [0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10],
});
const gaps = histogram({
  name: 'registry_migration_gap_seconds',
  help: 'The longest time without a new frame that a peer saw while it was moved, as its client measured it.',
  buckets: [0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5],
});

/**
 * Moves peers from node to node as a saga: reserve a place, open the new side, tell the client, and commit when it says that
 * it is there. Each step is written to the journal with the change it makes. Whatever stops it (a node that does not answer,
 * a client that can't connect, this process killed), the deadline passes and any registry undoes it: the call stays where it
 * was.
 */
export class Migrations {
  constructor(
    private readonly bus: CommandBus,
    private readonly store: Store,
    private readonly events: EventLog,
    private readonly log: Logger,
  ) {}

  /**
   * @throws FlotillaError NOT_IN_ROOM, NO_CAPACITY, MIGRATION_RUNNING, MIGRATION_NOT_ACTIVE, NODE_UNAVAILABLE, and what opening the
   * new side throws.
   */
  async begin(request: CommandPayload<'registry.migrate'>): Promise<Migration> {
    const { roomId, sessionId, fromNode, toNode, reason } = request;
    if (reason === 'node_lost') return this.#rehome(request);
    // What nodes report is late: a peer that just moved may still be seen where it was.
    const member = fromNode && (await this.store.rooms.member(roomId, participantIdOf(sessionId)));
    if (member && member.nodeId !== fromNode)
      throw new FlotillaError('MIGRATION_NOT_ACTIVE', `it is on ${member.nodeId} already`);
    const now = Date.now();
    let migration: Migration;
    try {
      migration = await this.store.migrations.begin({
        id: newId('migration'),
        roomId,
        sessionId,
        participantId: participantIdOf(sessionId),
        toNode,
        reason,
        startedAt: now,
        deadline: now + migrationTimeoutMs,
      });
    } catch (error) {
      outcomes.inc({ reason, outcome: FlotillaError.from(error).code });
      throw error;
    }
    await this.#remember(migration);
    try {
      await this.#prepare(migration);
    } catch (error) {
      await this.#rollBack(migration, FlotillaError.from(error).code);
      throw error;
    }
    return migration;
  }

  /**
   * The peer's node is gone, so there is nothing to break: it is given a place on another, and its client told to open media
   * there. Throws MIGRATION_NOT_ACTIVE when its node lives: then this was done already, or is not to be done.
   */
  async #rehome({ roomId, sessionId, toNode: wanted }: CommandPayload<'registry.migrate'>): Promise<Migration> {
    const participantId = participantIdOf(sessionId);
    const { rooms, nodes } = this.store;
    const [member, all] = await Promise.all([rooms.member(roomId, participantId), nodes.list()]);
    if (!member) throw new FlotillaError('NOT_IN_ROOM');
    const fromNode = member.nodeId;
    // Measured against the newest heartbeat of any: what keeps all of them away says nothing of this node.
    const newest = Math.max(...all.map(({ lastSeenAt }) => lastSeenAt));
    if (all.some(({ id, lastSeenAt }) => id === fromNode && newest - lastSeenAt < lostAfterMs))
      throw new FlotillaError('MIGRATION_NOT_ACTIVE', `${fromNode} is alive`);
    const { nodeId: toNode } = await this.#replace(roomId, participantId, fromNode, wanted, all);
    await appendRoomEvent(this.events, roomId, {
      type: 'media_lost',
      from: 'system',
      payload: { participantIds: [participantId], reason: 'node_lost' },
    });
    outcomes.inc({ reason: 'node_lost', outcome: 'committed' });
    const now = Date.now();
    const migration: Migration = {
      id: newId('migration'),
      roomId,
      sessionId,
      participantId,
      fromNode,
      toNode,
      reason: 'node_lost',
      step: 'prepared',
      startedAt: now,
      deadline: now,
    };
    await this.#remember(migration, 'committed');
    return migration;
  }

  /** On the node that the planner chose, or, when that has no place any more, on the best. */
  async #replace(
    roomId: string,
    participantId: string,
    fromNode: string,
    wanted: string | undefined,
    nodes: readonly NodeView[],
  ): Promise<Member> {
    const others = nodes.flatMap(({ id }) => (id === wanted ? [] : [id]));
    try {
      return await this.store.rooms.replace(roomId, participantId, wanted === undefined ? [fromNode] : others);
    } catch (error) {
      if (wanted === undefined || FlotillaError.from(error).code !== 'NO_CAPACITY') throw error;
      return this.store.rooms.replace(roomId, participantId, [fromNode]);
    }
  }

  async #prepare(migration: Migration): Promise<void> {
    const { roomId, sessionId, participantId, fromNode, toNode } = migration;
    const options = { timeoutMs: stepTimeoutMs };
    const described = await this.bus.call(sfuQueue(fromNode), 'sfu.describe_session', { roomId, sessionId }, options);
    const media = await this.bus.call(
      sfuQueue(toNode),
      'sfu.open_session',
      { roomId, sessionId, participantId, ...described },
      options,
    );
    if (!(await this.store.migrations.prepared(migration, media))) throw new FlotillaError('MIGRATION_NOT_ACTIVE');
    await this.#remember({ ...migration, step: 'prepared' });
  }

  /** For those who watch. What can't be remembered is moved all the same. */
  async #remember({ deadline: _deadline, ...migration }: Migration, end?: MigrationEnd): Promise<void> {
    const record: MigrationRecord = { ...migration, ...(end && { end, endedAt: Date.now() }) };
    await this.store.history
      .remember(record)
      .catch((error: unknown) => this.log.debug({ err: error }, 'a migration is not remembered'));
  }

  /** What the client measured; see MigrationReport. */
  async report({ migrationId, sessionId, ...report }: CommandPayload<'registry.migration_report'>): Promise<void> {
    const taken = await this.store.history.report(migrationId, sessionId, report);
    if (taken && report.gapMs !== undefined) gaps.observe(report.gapMs / 1000);
  }

  /** The client is on the new side. A second time does nothing. Throws MIGRATION_NOT_ACTIVE when it was undone. */
  async migrated({ migrationId, roomId, sessionId }: CommandPayload<'registry.migrated'>): Promise<void> {
    const participantId = participantIdOf(sessionId);
    const migration = await this.store.migrations.of(roomId, participantId);
    if (migration?.id !== migrationId || !(await this.store.migrations.commit(roomId, participantId, migrationId)))
      throw new FlotillaError('MIGRATION_NOT_ACTIVE');
    outcomes.inc({ reason: migration.reason, outcome: 'committed' });
    seconds.observe((Date.now() - migration.startedAt) / 1000);
    await this.#remember(migration, 'committed');
    // Its old side closes when the node hears that the member moved.
  }

  async failed(request: CommandPayload<'registry.migration_failed'>): Promise<void> {
    const { migrationId, roomId, sessionId, reason } = request;
    const migration = await this.store.migrations.of(roomId, participantIdOf(sessionId));
    if (migration?.id !== migrationId) return;
    this.log.warn({ migration: migrationId, roomId, sessionId, reason }, 'a client could not move');
    await this.#rollBack(migration, 'rolled_back');
  }

  /** Undoes what is past its deadline, whoever began it. */
  async rollBackTimedOut(now = Date.now()): Promise<void> {
    for (const migration of await this.store.migrations.running(overduePerSweep)) {
      if (migration.deadline > now) return;
      await this.#rollBack(migration, 'timed_out');
    }
  }

  /** The new side closes when its node hears of it. */
  async #rollBack(migration: Migration, outcome: MigrationEnd | ErrorCode): Promise<void> {
    const { id, roomId, participantId, reason } = migration;
    if (!(await this.store.migrations.rollBack(roomId, participantId, id))) return;
    outcomes.inc({ reason, outcome });
    await this.#remember(migration, outcome === 'timed_out' ? 'timed_out' : 'rolled_back');
  }
}
