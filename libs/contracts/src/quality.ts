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
