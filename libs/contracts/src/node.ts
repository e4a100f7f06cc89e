import { z } from 'zod';
import { NodeId } from './ids.ts';
import { RtpCapabilities } from './media.ts';
import { NodeQuality, PeerQuality } from './quality.ts';
import { Timestamp } from './room.ts';

/** Load of one mediasoup worker process. `cpu` is a share of one core. */
export const WorkerLoad = z.object({
  pid: z.int(),
  cpu: z.number().min(0),
  routers: z.int(),
  consumers: z.int(),
});

/** What an SFU node measured since its last report. Shares are fractions of one, of all cores where a node has several. */
export const NodeLoad = z.object({
  cpu: z.number().min(0).describe('Share of the cores the node may use.'),
  eventLoopDelayMs: z.number().min(0).describe('99th percentile of the control process.'),
  workers: z.array(WorkerLoad),
  sessions: z.int().nonnegative(),
  producers: z.int().nonnegative(),
  consumers: z.int().nonnegative(),
  pipes: z.int().nonnegative(),
  packetsPerSecond: z
    .number()
    .nonnegative()
    .default(0)
    .describe('RTP packets in and out, of clients and of other nodes.'),
  bitsPerSecond: z.number().nonnegative().default(0).describe('All that its media transports receive and send.'),
});
export type NodeLoad = z.infer<typeof NodeLoad>;

/**
 * What a node is there for: `active` takes new members, `cordoned` only keeps those it has, `draining` gives them to
 * others and ends when it is empty.
 */
export const NodeState = z.enum(['active', 'cordoned', 'draining']);
export type NodeState = z.infer<typeof NodeState>;

/** How long a drain that is ordered may take. */
export const DrainSeconds = z
  .int()
  .min(1)
  .max(3600)
  .default(60)
  .describe('Who was not moved by then loses its media there and opens it again elsewhere. Only of a drain.');

/** How far a drain is. */
export const DrainProgress = z.object({
  startedAt: Timestamp,
  deadline: Timestamp.describe('Past it, who is left loses its media there and opens it again elsewhere.'),
  sessions: z.int().nonnegative().describe('How many sessions had media on the node when it began.'),
  left: z.int().nonnegative().describe('How many still have.'),
});
export type DrainProgress = z.infer<typeof DrainProgress>;

/** An SFU node's heartbeat: who it is, what it can take, how it is doing. */
export const NodeReport = z.object({
  id: NodeId,
  startedAt: Timestamp,
  capacity: z.int().positive().describe('How many sessions it takes.'),
  state: NodeState,
  drain: DrainProgress.optional().describe('While it drains.'),
  quality: NodeQuality.optional(),
  rtpCapabilities: RtpCapabilities,
  load: NodeLoad,
});
export type NodeReport = z.infer<typeof NodeReport>;

/** What a node appends to `sfu:stats` with each heartbeat: its report, without what never changes, and its peers. */
export const NodeStats = z.object({
  ...NodeReport.omit({ rtpCapabilities: true }).shape,
  peers: z.array(PeerQuality),
});
export type NodeStats = z.infer<typeof NodeStats>;

/** A node as placement sees it. */
export const NodeView = z.object({
  ...NodeReport.shape,
  reserved: z.int().nonnegative().describe('Sessions placed on it, seen in its own figures or not yet.'),
  lastSeenAt: Timestamp,
  alive: z.boolean(),
});
export type NodeView = z.infer<typeof NodeView>;

/** A node as operators see it. */
export const NodeSummary = NodeView.omit({ rtpCapabilities: true });
export type NodeSummary = z.infer<typeof NodeSummary>;
