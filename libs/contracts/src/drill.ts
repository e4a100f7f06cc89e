/** Drills: failures and moves on request. See docs/drills.md. */
import { z } from 'zod';
import { MigrationId, NodeId, ParticipantId, RoomRef, SessionId } from './ids.ts';
import { ReportedNodeState } from './node.ts';

/** The payload of each kind of drill. */
export const drillKinds = {
  migrate: z.strictObject({
    kind: z.literal('migrate'),
    room: RoomRef,
    participant: ParticipantId.describe('The participant to migrate.'),
    toNode: NodeId.optional().describe('Default: the node with the best expected score.'),
  }),
  drain: z.strictObject({ kind: z.literal('drain'), node: NodeId.describe('The SFU node to drain.') }),
  uncordon: z.strictObject({
    kind: z.literal('uncordon'),
    node: NodeId.describe('The SFU node that participants are assigned to again.'),
  }),
  kill_worker: z.strictObject({
    kind: z.literal('kill_worker'),
    node: NodeId.describe('The SFU node whose media worker is killed with SIGKILL.'),
    worker: z.int().min(0).max(255).optional().describe('Index of the worker. Default: the one with the highest load.'),
  }),
  kill_node: z.strictObject({
    kind: z.literal('kill_node'),
    node: NodeId.describe('The SFU node that is killed with its workers.'),
  }),
  cut_socket: z.strictObject({
    kind: z.literal('cut_socket'),
    session: SessionId.describe('The session whose TCP connection is cut.'),
  }),
} as const;

export const Drill = z.discriminatedUnion('kind', [
  drillKinds.migrate,
  drillKinds.drain,
  drillKinds.uncordon,
  drillKinds.kill_worker,
  drillKinds.kill_node,
  drillKinds.cut_socket,
]);
export type Drill = z.infer<typeof Drill>;

/** What a drill started. Its outcome shows in the topology. */
export const DrillStarted = z.object({
  migrationId: MigrationId.optional().describe('Only for `migrate`: the migration.'),
  toNode: NodeId.optional().describe('Only for `migrate`: the new node.'),
  state: ReportedNodeState.optional().describe('Only for `drain` and `uncordon`: the new state of the node.'),
  worker: z.int().nonnegative().optional().describe('Only for `kill_worker`: index of the killed worker.'),
});
export type DrillStarted = z.infer<typeof DrillStarted>;
