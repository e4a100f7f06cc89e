/** Migrations: the media of a participant moves from one SFU node to another during the call. */
import { z } from 'zod';
import { MigrationId, NodeId, ParticipantId, RoomId, SessionId } from './ids.ts';
import { orElse } from './newer.ts';
import { Timestamp } from './room.ts';

export const MigrationReason = z
  .enum(['node_load', 'rtt', 'quality', 'drain', 'node_lost', 'manual'])
  .describe(
    'Why a participant is moved. `node_load`: its node is hot. `rtt`, `quality`: its media is degraded. `drain`: its node drains. `node_lost`: its node was declared dead; this is no make-before-break migration. `manual`: requested over REST or by a drill.',
  );
export type MigrationReason = z.infer<typeof MigrationReason>;

export const MigrationStep = z
  .enum(['reserved', 'prepared'])
  .describe(
    'Step of an active migration, in this order. `reserved`: capacity on the new node is reserved. `prepared`: the transports there are open and the client was sent `migrate`.',
  );
export type MigrationStep = z.infer<typeof MigrationStep>;

export const Migration = z
  .object({
    id: MigrationId,
    roomId: RoomId,
    sessionId: SessionId,
    participantId: ParticipantId,
    fromNode: NodeId.describe('The previous node. It serves the participant until the commit.'),
    toNode: NodeId.describe('The new node.'),
    reason: orElse(MigrationReason, 'manual'),
    step: MigrationStep,
    startedAt: Timestamp.describe('When it began, in milliseconds since the Unix epoch.'),
    deadline: Timestamp.describe(
      'When it is rolled back unless it was committed before, in milliseconds since the Unix epoch.',
    ),
  })
  .describe('An active migration.');
export type Migration = z.infer<typeof Migration>;

export const MigrationEnd = z
  .enum(['committed', 'rolled_back', 'timed_out'])
  .describe(
    'How a migration ended. `committed`: the participant is on the new node. `rolled_back`: the client reported a failure, or the new node did not open media. `timed_out`: rolled back because its deadline passed.',
  );
export type MigrationEnd = z.infer<typeof MigrationEnd>;

/** Figures that the client of a migrated participant measured. */
export const MigrationReport = z.object({
  ms: z
    .number()
    .nonnegative()
    .max(60_000)
    .describe('Time from `migrate` until the client uses the new node, in milliseconds.'),
  gapMs: z
    .number()
    .nonnegative()
    .max(60_000)
    .optional()
    .describe(
      'Longest interval between two frames of any video that the client received, in milliseconds. Absent when it received no video or cannot measure it.',
    ),
});
export type MigrationReport = z.infer<typeof MigrationReport>;

/** A migration in the history, active or ended. */
export const MigrationRecord = z.object({
  ...Migration.omit({ deadline: true }).shape,
  endedAt: Timestamp.optional().describe(
    'When it ended, in milliseconds since the Unix epoch. Absent while it is active.',
  ),
  end: orElse(MigrationEnd, 'rolled_back').optional().describe('How it ended. Absent while it is active.'),
  ...MigrationReport.partial().shape,
});
export type MigrationRecord = z.infer<typeof MigrationRecord>;

/** Number of migrations in the history; the newest are kept. */
export const keptMigrations = 100;

/** Time after which a migration is rolled back, ms. The call continues on the old node until then; a client on a busy computer needs several seconds. */
export const migrationTimeoutMs = 20_000;

/**
 * Time for which the old side of a migrated peer stays open after the commit, ms. Subscribers switch to the new side when they
 * receive its first frame.
 */
export const migrationLingerMs = 2000;
