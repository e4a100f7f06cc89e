import { z } from 'zod';
import { NodeId } from './ids.ts';
import { RtpCapabilities } from './media.ts';
import { orElse } from './newer.ts';
import { NodeQuality, PeerQuality } from './quality.ts';
import { Timestamp } from './room.ts';

export const WorkerLoad = z
  .object({
    pid: z.int().describe('Process id.'),
    cpu: z.number().min(0).describe('Used share of one core, 0 to 1.'),
    routers: z.int().describe('Number of routers, one for each room that it has sessions of.'),
    consumers: z.int().describe('Number of consumers.'),
  })
  .describe('Load of one mediasoup worker process.');

/** What an SFU node measured since its last report. */
export const NodeLoad = z.object({
  cpu: z.number().min(0).describe('Used share of the cores that the node may use, 0 to 1.'),
  eventLoopDelayMs: z
    .number()
    .min(0)
    .describe('99th percentile of the event-loop delay of the control process, in milliseconds.'),
  workers: z.array(WorkerLoad).describe('Its mediasoup workers.'),
  sessions: z.int().nonnegative().describe('Sessions with media on it.'),
  producers: z.int().nonnegative().describe('Producers of its clients.'),
  consumers: z.int().nonnegative().describe('Consumers of its clients.'),
  pipes: z.int().nonnegative().describe('Pipes from and to other nodes.'),
  packetsPerSecond: z
    .number()
    .nonnegative()
    .default(0)
    .describe('RTP packets per second, received and sent, of clients and other nodes.'),
  bitsPerSecond: z
    .number()
    .nonnegative()
    .default(0)
    .describe('Bits per second that its media transports receive and send.'),
});
export type NodeLoad = z.infer<typeof NodeLoad>;

/** The part of a node's load that placement, planner and scaling compare. */
export interface CpuLoad {
  readonly cpu: number;
  readonly workers: readonly { readonly cpu: number }[];
}

/**
 * How hot a node is: the used share of the core of its hottest mediasoup worker, or that of all its cores where it is higher. A worker
 * uses one core at most, so a node with a full worker loses packets however idle its other cores are.
 */
export function hottestCpu({ cpu, workers }: CpuLoad): number {
  return workers.reduce((hottest, worker) => Math.max(hottest, worker.cpu), cpu);
}

export const NodeState = z
  .enum(['active', 'cordoned', 'draining'])
  .describe(
    'State of a node. `active`: participants are assigned to it. `cordoned`: it keeps those it has and gets no others. `draining`: its participants are migrated to other nodes, and it stops when it is empty.',
  );
export type NodeState = z.infer<typeof NodeState>;

/** The state in a report. A state that this version does not know is read as `cordoned`. */
export const ReportedNodeState = orElse(NodeState, 'cordoned');

export const DrainSeconds = z
  .int()
  .min(1)
  .max(3600)
  .default(60)
  .describe(
    'Maximum duration of the drain, in seconds. Participants that are left then lose their media and open it on another node.',
  );

export const DrainProgress = z
  .object({
    startedAt: Timestamp.describe('When the drain began, in milliseconds since the Unix epoch.'),
    deadline: Timestamp.describe(
      'When it ends, in milliseconds since the Unix epoch. Participants that are left then lose their media and open it on another node.',
    ),
    sessions: z.int().nonnegative().describe('Number of sessions with media on the node when the drain began.'),
    left: z.int().nonnegative().describe('Number of sessions that still have media on it.'),
  })
  .describe('Progress of a drain.');
export type DrainProgress = z.infer<typeof DrainProgress>;

/** Where a node receives the media of other nodes. */
const PipeAddress = z.object({
  ip: z.string().max(64).describe('Address that other nodes send to.'),
  ports: z
    .object({ min: z.int(), max: z.int() })
    .optional()
    .describe('UDP ports that its pipes listen on. Absent: any.'),
  probePort: z.int().min(1).max(65_535).describe('UDP port that answers the probes of other nodes.'),
});

/** An SFU node's heartbeat: its id, capacity, state and load. */
export const NodeReport = z.object({
  id: NodeId,
  instance: z.string().optional().describe('Name of its process, such as that of the pod.'),
  revision: z
    .string()
    .optional()
    .describe(
      'What it was rolled out with, such as the hash of its pod template: a rollout replaces nodes of other ones.',
    ),
  address: z
    .string()
    .optional()
    .describe(
      'Host and port at which its process accepts TCP connections of other services: whether its machine runs.',
    ),
  pipes: PipeAddress.optional().describe('Where it receives the media of other nodes.'),
  unreachableNodes: z
    .array(NodeId)
    .optional()
    .describe(
      'Other nodes that it does not reach where they receive pipes: participants on the two do not see each other. At most 16.',
    ),
  startedAt: Timestamp.describe('When its process started, in milliseconds since the Unix epoch.'),
  capacity: z.int().positive().describe('Maximum number of sessions that are assigned to it.'),
  state: ReportedNodeState,
  drain: DrainProgress.optional().describe('Only while it drains.'),
  quality: NodeQuality.optional(),
  rtpCapabilities: RtpCapabilities,
  workerDeaths: z
    .int()
    .nonnegative()
    .optional()
    .describe('Number of its media workers that died since its process started.'),
  load: NodeLoad.describe('Its load since its last heartbeat.'),
});
export type NodeReport = z.infer<typeof NodeReport>;

/** Entry of the stream `sfu:stats`, appended with each heartbeat: the report without its constant part, and the peers. */
export const NodeStats = z.object({
  ...NodeReport.omit({ rtpCapabilities: true }).shape,
  peers: z.array(PeerQuality),
});
export type NodeStats = z.infer<typeof NodeStats>;

/** A node, as placement reads it. */
export const NodeView = z.object({
  ...NodeReport.shape,
  reserved: z
    .int()
    .nonnegative()
    .describe('Number of sessions that are assigned to it, including those that its own report does not show yet.'),
  lastSeenAt: Timestamp.describe('When its last heartbeat was received, in milliseconds since the Unix epoch.'),
  alive: z.boolean().describe('Whether its last heartbeat is recent enough to assign participants to it.'),
});
export type NodeView = z.infer<typeof NodeView>;

/** A node, as operators read it. */
export const NodeSummary = NodeView.omit({ rtpCapabilities: true, address: true, pipes: true });
export type NodeSummary = z.infer<typeof NodeSummary>;
