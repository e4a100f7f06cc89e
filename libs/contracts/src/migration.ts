/** Migrations: a peer moves from one SFU node to another while it talks. */
import { z } from 'zod';
import { MigrationId, NodeId, ParticipantId, RoomId, SessionId } from './ids.ts';
import { Timestamp } from './room.ts';

/** Why a peer is moved. */
export const MigrationReason = z.enum(['node_load', 'rtt', 'quality', 'drain', 'node_lost', 'manual']);
export type MigrationReason = z.infer<typeof MigrationReason>;

/**
 * How far a migration is. `reserved`: a place on the new node is kept. `prepared`: the transports there are open and the
 * client was told. What is done is no longer under way: it was committed, or rolled back.
 */
export const MigrationStep = z.enum(['reserved', 'prepared']);
export type MigrationStep = z.infer<typeof MigrationStep>;

/** A migration under way, as it is kept in the journal. */
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

/** What the mover's client measured. */
export const MigrationReport = z.object({
  ms: z.number().nonnegative().max(60_000).describe('From `migrate` until it was on the new side.'),
  gapMs: z
    .number()
    .nonnegative()
    .max(60_000)
    .optional()
    .describe('The longest time without a new frame of any video it received. Absent when it saw none or cannot tell.'),
});
export type MigrationReport = z.infer<typeof MigrationReport>;

/** A migration as it is remembered, under way or over. */
export const MigrationRecord = z.object({
  ...Migration.omit({ deadline: true }).shape,
  endedAt: Timestamp.optional().describe('Absent while it is under way.'),
  end: MigrationEnd.optional(),
  ...MigrationReport.partial().shape,
});
export type MigrationRecord = z.infer<typeof MigrationRecord>;

/** How many migrations are remembered, the newest. */
export const keptMigrations = 100;

/** How long a migration may take before it is rolled back, in milliseconds. */
export const migrationTimeoutMs = 10_000;

/**
 * After a peer was moved, its old side goes on for this long, in milliseconds: the others change to the new one as soon as
 * they see its first frame.
 */
export const migrationLingerMs = 2000;
