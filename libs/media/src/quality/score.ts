import type { QualityGroup } from '@flotilla/contracts';

/** How a peer's media travelled in one window. */
export interface Travel {
  /** Fraction of the expected packets, 0 to 1. */
  readonly loss: number;
  readonly rttMs: number;
  readonly jitterMs: number;
}

/** 1 is best, 0 worst. */
export function score({ loss, rttMs, jitterMs }: Travel): number {
  return 1 - (0.4 * share(loss) + 0.3 * share(rttMs / 500) + 0.3 * share(jitterMs / 100));
}

const share = (value: number): number => Math.min(Math.max(value, 0), 1);

/** At this score and above a peer is stable; below the second it is better moved. */
export const stableFrom = 0.85;
export const moveBelow = 0.6;

/** A score that rises must pass the line by this much: one that stands at a line does not flutter. */
export const hysteresis = 0.03;

/**
 * The group of a score, given the group before. Worse is believed at the line itself, better only beyond it: whoever is
 * called stable has 0.85 at least, and whoever has less than 0.6 is called `move`.
 */
export function groupOf(value: number, before: QualityGroup): QualityGroup {
  const toStable = before === 'stable' ? stableFrom : stableFrom + hysteresis;
  const toWatch = before === 'move' ? moveBelow + hysteresis : moveBelow;
  if (value >= toStable) return 'stable';
  return value >= toWatch ? 'watch' : 'move';
}
