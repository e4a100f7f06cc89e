/** How well a peer's media travels, as its SFU node measures it. */
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
 * A peer's quality as the topology tells it: its score in coarse steps, told anew when its group changed or the score moved
 * by more than `coarseScoreStep`.
 */
export const PeerScore = PeerQuality.pick({ sessionId: true, roomId: true, score: true, group: true });
export type PeerScore = z.infer<typeof PeerScore>;

/** By how much a score must have moved to be told anew while its group stays. */
export const coarseScoreStep = 0.05;

/** How a node's peers fare as a whole. */
export const NodeQuality = z.object({
  stable: z.int().nonnegative(),
  watch: z.int().nonnegative(),
  move: z.int().nonnegative(),
  mean: z.number().min(0).max(1).describe('Of their scores; 1 while there are none.'),
  worst: z.number().min(0).max(1).describe('Of their scores; 1 while there are none.'),
});
export type NodeQuality = z.infer<typeof NodeQuality>;
