/** Drills: failures and moves that are asked for, to see calls go on. See docs/drills.md. */
import { z } from 'zod';
import { MigrationId, NodeId, ParticipantId, RoomRef, SessionId } from './ids.ts';
import { NodeState } from './node.ts';

export const Drill = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('migrate'),
    room: RoomRef,
    participant: ParticipantId,
    toNode: NodeId.optional().describe('Default: the best.'),
  }),
  z.strictObject({ kind: z.literal('drain'), node: NodeId }),
  z.strictObject({ kind: z.literal('uncordon'), node: NodeId }),
  z.strictObject({
    kind: z.literal('kill_worker'),
    node: NodeId,
    worker: z.int().min(0).max(255).optional().describe('Its index. Default: the one with the most to do.'),
  }),
  z.strictObject({ kind: z.literal('kill_node'), node: NodeId }),
  z.strictObject({ kind: z.literal('cut_socket'), session: SessionId }),
]);
export type Drill = z.infer<typeof Drill>;

/** What was begun. What comes of it is seen in the topology. */
export const DrillStarted = z.object({
  migrationId: MigrationId.optional().describe('Of `migrate`.'),
  toNode: NodeId.optional().describe('Of `migrate`.'),
  state: NodeState.optional().describe('Of `drain` and `uncordon`: what the node is now.'),
  worker: z.int().nonnegative().optional().describe('Of `kill_worker`: the one that was killed.'),
});
export type DrillStarted = z.infer<typeof DrillStarted>;
