import type { CommandBus } from '@flotilla/bus';
import {
  type CommandPayload,
  FlotillaError,
  type Migration,
  type MigrationEnd,
  migrationTimeoutMs,
  newId,
  participantIdOf,
  sfuQueue,
  tenantOfRoom,
} from '@flotilla/contracts';
import { counter, histogram, inSpan, type Logger } from '@flotilla/runtime';
import { forEachRecord, type MediaRequest, type Store } from '@flotilla/store';

/** Deadline of opening the new side, in ms. */
const stepTimeoutMs = 4000;
/** Number of timed-out migrations that one sweep rolls back. */
const timedOutPerSweep = 200;
/** A node is lost when its last heartbeat is this much older than another node's; heartbeats come every 500 ms. */
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
  help: 'Longest interval between two rendered frames during a migration, as its client measured it.',
  buckets: [0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5],
});

/**
 * Moves peers between nodes as a saga: reserve capacity, open the new side, notify the client, and commit when it confirms. Each
 * step is one script with the change it makes. Whatever stops the saga (a node that does not answer, a client that cannot
 * connect, the end of this process), its deadline passes and any registry rolls it back: the call stays where it was.
 */
export class Migrations {
  /** Number of timed-out migrations that the last sweep could not roll back. They come first in the next one. */
  #stuck = 0;

  constructor(
    private readonly bus: CommandBus,
    private readonly store: Pick<Store, 'migrations' | 'history'>,
    private readonly log: Logger,
  ) {}

  /**
   * @throws FlotillaError NOT_IN_ROOM, NO_CAPACITY, MIGRATION_RUNNING, MIGRATION_NOT_ACTIVE, MEDIA_NOT_OPEN, NODE_UNAVAILABLE,
   * WRONG_STATE, STALE_TERM, and what opening the new side throws.
   */
  begin(request: CommandPayload<'registry.migrate'>): Promise<Migration> {
    const { roomId, sessionId, reason } = request;
    const subject = { room: roomId, tenant: tenantOfRoom(roomId) };
    const attributes = { 'flotilla.session': sessionId, 'flotilla.reason': reason };
    return inSpan('begin migration', { subject, attributes }, () => this.#begin(request));
  }

  async #begin({ sessionId, ...request }: CommandPayload<'registry.migrate'>): Promise<Migration> {
    const { roomId, reason, fromNode, toNode, term } = request;
    const now = Date.now();
    const common = {
      id: newId('migration'),
      roomId,
      sessionId,
      participantId: participantIdOf(sessionId),
      toNode,
      startedAt: now,
      term,
    };
    try {
      if (reason === 'node_lost') {
        const migration = await this.store.migrations.reassignLost({ ...common, fromNode, lostAfterMs });
        outcomes.inc({ reason, outcome: 'committed' });
        return migration;
      }
      const deadline = now + migrationTimeoutMs;
      const { migration, media } = await this.store.migrations.begin({ ...common, fromNode, reason, deadline });
      await this.#openNewSide(migration, media);
      return migration;
    } catch (error) {
      outcomes.inc({ reason, outcome: FlotillaError.from(error).code });
      throw error;
    }
  }

  /** The new node notifies the client, which saves the way back here. */
  async #openNewSide(migration: Migration, media: MediaRequest): Promise<void> {
    const { roomId, sessionId, participantId, toNode } = migration;
    try {
      await this.bus.call(
        sfuQueue(toNode),
        'sfu.open_session',
        { roomId, sessionId, participantId, ...media, migration },
        { timeoutMs: stepTimeoutMs },
      );
    } catch (error) {
      await this.#rollBack(migration, 'rolled_back');
      throw error;
    }
  }

  /** Stores the figures that the client measured; see MigrationReport. */
  async report({ migrationId, sessionId, ...report }: CommandPayload<'registry.migration_report'>): Promise<void> {
    const taken = await this.store.history.report(migrationId, sessionId, report);
    if (taken && report.gapMs !== undefined) gaps.observe(report.gapMs / 1000);
  }

  /** The client is on the new side. A repeated call answers as the first. Throws MIGRATION_NOT_ACTIVE when it was rolled back. */
  async migrated({ migrationId, roomId, sessionId }: CommandPayload<'registry.migrated'>): Promise<void> {
    const migration = await this.store.migrations.commit(roomId, participantIdOf(sessionId), migrationId);
    if (!migration) return;
    outcomes.inc({ reason: migration.reason, outcome: 'committed' });
    seconds.observe((Date.now() - migration.startedAt) / 1000);
    // The old node closes its side when it receives participant_moved.
  }

  /** The client could not connect the new side. A migration that is not active is left alone. */
  async failed(request: CommandPayload<'registry.migration_failed'>): Promise<void> {
    const { migrationId, roomId, sessionId, reason } = request;
    const migration = await this.store.migrations.of(roomId, participantIdOf(sessionId));
    if (migration?.id !== migrationId) return;
    this.log.warn({ migrationId, roomId, sessionId, reason }, 'client could not connect the new side of its migration');
    if (await this.#rollBack(migration, 'rolled_back'))
      outcomes.inc({ reason: migration.reason, outcome: 'rolled_back' });
  }

  /** Rolls back migrations that are past their deadline, whichever registry began them. */
  async rollBackTimedOut(now = Date.now()): Promise<void> {
    const running = await this.store.migrations.running(timedOutPerSweep + this.#stuck);
    const timedOut = new Map(running.filter(({ deadline }) => deadline <= now).map((each) => [each.id, each]));
    const failed = await forEachRecord([...timedOut.keys()], async (id) => {
      const migration = timedOut.get(id)!;
      if (await this.#rollBack(migration, 'timed_out'))
        outcomes.inc({ reason: migration.reason, outcome: 'timed_out' });
    });
    this.#stuck = failed.length;
    for (const { record: migrationId, error } of failed)
      this.log.warn({ err: error, migrationId }, 'migration could not be rolled back, the next sweep repeats it');
  }

  /** The new node closes its side when it receives migration_rolled_back. */
  #rollBack({ id, roomId, participantId }: Migration, end: Exclude<MigrationEnd, 'committed'>): Promise<boolean> {
    return this.store.migrations.rollBack(roomId, participantId, id, end);
  }
}
