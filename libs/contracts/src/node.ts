import { z } from 'zod';
import { NodeId } from './ids.ts';
import { RtpCapabilities } from './media.ts';
import { Timestamp } from './room.ts';

/** What an SFU node measured since its last report. Shares are fractions of one, of all cores where a node has several. */
export const NodeLoad = z.object({
  cpu: z.number().min(0).describe('Share of the cores the node may use.'),
  eventLoopDelayMs: z.number().min(0).describe('99th percentile of the control process.'),
  workers: z.array(z.object({ pid: z.int(), cpu: z.number().min(0), routers: z.int(), consumers: z.int() })),
  sessions: z.int().nonnegative(),
  producers: z.int().nonnegative(),
  consumers: z.int().nonnegative(),
  pipes: z.int().nonnegative(),
});
export type NodeLoad = z.infer<typeof NodeLoad>;

/** An SFU node's heartbeat: who it is, what it can take, how it is doing. Appended to `sfu:stats`. */
export const NodeReport = z.object({
  id: NodeId,
  startedAt: Timestamp,
  capacity: z.int().positive().describe('How many sessions it takes.'),
  state: z.enum(['active', 'cordoned', 'draining']),
  rtpCapabilities: RtpCapabilities,
  load: NodeLoad,
});
export type NodeReport = z.infer<typeof NodeReport>;

/** A node as placement sees it. */
export const NodeView = z.object({
  ...NodeReport.shape,
  reserved: z.int().nonnegative().describe('Sessions placed on it, seen in its own figures or not yet.'),
  lastSeenAt: Timestamp,
  alive: z.boolean(),
});
export type NodeView = z.infer<typeof NodeView>;
