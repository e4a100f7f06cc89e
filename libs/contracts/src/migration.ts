/** Migrations: a peer moves from one SFU node to another while it talks. */
import { z } from 'zod';
import { MigrationId, NodeId, ParticipantId, RoomId, SessionId } from './ids.ts';
import { Timestamp } from './room.ts';

/** Why a peer is moved. */
export const MigrationReason = z.enum(['node_load', 'rtt', 'quality', 'drain', 'node_lost', 'manual']);
export type MigrationReason = z.infer<typeof MigrationReason>;

/**
 * Step of an active migration. `reserved`: capacity on the new node is reserved. `prepared`: the transports there are open and
 * the client was notified. A migration that was committed or rolled back is not active.
 */
export const MigrationStep = z.enum(['reserved', 'prepared']);
export type MigrationStep = z.infer<typeof MigrationStep>;

/** An active migration, as stored in the journal. */
export const Migration = z.object({
  id: MigrationId,
  roomId: RoomId,
  sessionId: SessionId,
  participantId: ParticipantId,
  fromNode: NodeId,
  toNode: NodeId,
  reason: MigrationReason,
  step: MigrationStep,
  startedAt: Timestamp,
  deadline: Timestamp.describe('Past it, it is rolled back.'),
});
export type Migration = z.infer<typeof Migration>;

/** How a migration ends. */
export const MigrationEnd = z.enum(['committed', 'rolled_back', 'timed_out']);
export type MigrationEnd = z.infer<typeof MigrationEnd>;

/** Figures that the migrated client measured. */
export const MigrationReport = z.object({
  ms: z.number().nonnegative().max(60_000).describe('From `migrate` until it was on the new side.'),
  gapMs: z
    .number()
    .nonnegative()
    .max(60_000)
    .optional()
    .describe(
      'The longest time without a new frame of any video it received. Absent when it received none or cannot measure it.',
    ),
});
export type MigrationReport = z.infer<typeof MigrationReport>;

/** A migration in the history, active or ended. */
export const MigrationRecord = z.object({
  ...Migration.omit({ deadline: true }).shape,
  endedAt: Timestamp.optional().describe('Absent while it is active.'),
  end: MigrationEnd.optional(),
  ...MigrationReport.partial().shape,
});
export type MigrationRecord = z.infer<typeof MigrationRecord>;

/** Number of migrations in the history; the newest are kept. */
export const keptMigrations = 100;

/** Time after which a migration is rolled back, ms. */
export const migrationTimeoutMs = 10_000;

/**
 * Time for which the old side of a migrated peer stays open after the commit, ms. Subscribers switch to the new side when they
 * receive its first frame.
 */
export const migrationLingerMs = 2000;
