import type { QualityGroup } from '@flotilla/contracts';

/** The network conditions of a peer's media in one window. */
export interface NetworkConditions {
  /** Lost packets as a fraction of the expected ones, 0 to 1. */
  readonly loss: number;
  readonly rttMs: number;
  readonly jitterMs: number;
}

/** From 0, the worst, to 1. */
export function score({ loss, rttMs, jitterMs }: NetworkConditions): number {
  return 1 - (0.4 * share(loss) + 0.3 * share(rttMs / 500) + 0.3 * share(jitterMs / 100));
}

const share = (value: number): number => Math.min(Math.max(value, 0), 1);

/** A peer is `stable` from the first score up, and `move` below the second. */
export const stableFrom = 0.85;
export const moveBelow = 0.6;

/** A rising score must pass a threshold by this much, so that one close to it does not change its group again and again. */
export const hysteresis = 0.03;

/**
 * The group of a score, given the previous group. A falling score changes it at the threshold, a rising one only beyond it: a
 * peer in `stable` has at least 0.85, and a peer with less than 0.6 is in `move`.
 */
export function groupOf(value: number, before: QualityGroup): QualityGroup {
  const toStable = before === 'stable' ? stableFrom : stableFrom + hysteresis;
  const toWatch = before === 'move' ? moveBelow + hysteresis : moveBelow;
  if (value >= toStable) return 'stable';
  return value >= toWatch ? 'watch' : 'move';
}
