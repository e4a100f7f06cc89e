/** Quality of a peer's media, as its SFU node measures it. */
import { z } from 'zod';
import { ParticipantId, RoomId, SessionId } from './ids.ts';

/** `stable` (0.85 and above), `watch`, `move` (below 0.6); with hysteresis, see libs/media. */
export const QualityGroup = z.enum(['stable', 'watch', 'move']);
export type QualityGroup = z.infer<typeof QualityGroup>;

export const PeerQuality = z.object({
  sessionId: SessionId,
  participantId: ParticipantId,
  roomId: RoomId,
  score: z.number().min(0).max(1).describe('Smoothed; 1 is best.'),
  group: QualityGroup,
  loss: z.number().min(0).max(1).describe('Fraction of the expected packets, in the last window.'),
  rttMs: z.number().nonnegative(),
  jitterMs: z.number().nonnegative(),
  baselineRttMs: z.number().nonnegative().describe('What its round trip used to be.'),
});
export type PeerQuality = z.infer<typeof PeerQuality>;

/**
 * A peer's quality in the topology. It is updated when its group changes or its score differs by more than `coarseScoreStep`.
 */
export const PeerScore = PeerQuality.pick({ sessionId: true, roomId: true, score: true, group: true });
export type PeerScore = z.infer<typeof PeerScore>;

/** Difference of a score above which the topology is updated while the group is the same. */
export const coarseScoreStep = 0.05;

/** Summary of the quality of a node's peers. */
export const NodeQuality = z.object({
  stable: z.int().nonnegative(),
  watch: z.int().nonnegative(),
  move: z.int().nonnegative(),
  mean: z.number().min(0).max(1).describe('Of their scores; 1 while there are none.'),
  worst: z.number().min(0).max(1).describe('Of their scores; 1 while there are none.'),
});
export type NodeQuality = z.infer<typeof NodeQuality>;
