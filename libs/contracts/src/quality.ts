/** Quality of a peer's media, as its SFU node measures it. */
import { z } from 'zod';
import { ParticipantId, RoomId, SessionId } from './ids.ts';
import { orElse } from './newer.ts';

export const QualityGroup = z
  .enum(['stable', 'watch', 'move'])
  .describe('Group of a score: `stable` from 0.85, `move` below 0.6, `watch` between, with a hysteresis of 0.03.');
export type QualityGroup = z.infer<typeof QualityGroup>;

export const PeerQuality = z.object({
  sessionId: SessionId,
  participantId: ParticipantId,
  roomId: RoomId,
  worker: z.int().optional().describe('Process id of the mediasoup worker that it is on.'),
  score: z.number().min(0).max(1).describe('Smoothed score, from 0 (worst) to 1.'),
  group: orElse(QualityGroup, 'watch'),
  loss: z.number().min(0).max(1).describe('Lost packets as a fraction of the expected ones, in the last window.'),
  rttMs: z.number().nonnegative().describe('Round trip, in milliseconds.'),
  jitterMs: z.number().nonnegative().describe('Jitter, in milliseconds.'),
  baselineRttMs: z.number().nonnegative().describe('Usual round trip of this peer, in milliseconds.'),
});
export type PeerQuality = z.infer<typeof PeerQuality>;

/**
 * A peer's quality in the topology. It is updated when its group changes or its score differs by more than `coarseScoreStep`.
 */
export const PeerScore = PeerQuality.pick({ sessionId: true, roomId: true, score: true, group: true });
export type PeerScore = z.infer<typeof PeerScore>;

/** Difference of a score above which the topology is updated while the group is the same. */
export const coarseScoreStep = 0.05;

export const NodeQuality = z
  .object({
    stable: z.int().nonnegative().describe('Number of peers in the group `stable`.'),
    watch: z.int().nonnegative().describe('Number of peers in the group `watch`.'),
    move: z.int().nonnegative().describe('Number of peers in the group `move`.'),
    mean: z.number().min(0).max(1).describe('Mean of their scores. 1 without peers.'),
    worst: z.number().min(0).max(1).describe('Lowest of their scores. 1 without peers.'),
  })
  .describe("Summary of the quality of a node's peers.");
export type NodeQuality = z.infer<typeof NodeQuality>;
