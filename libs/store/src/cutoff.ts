import { maxTokenSeconds } from '@flotilla/contracts';

/** Tolerated difference of clocks, s: a token is accepted for so long after it has expired. */
const skewSeconds = 60;

/** How long the refusal of tokens issued before a time (s) is kept: until the last of them has expired, s. */
export const cutoffKeptSeconds = (issuedBefore: number, nowMs: number): number =>
  Math.max(1, Math.ceil(issuedBefore - nowMs / 1000) + maxTokenSeconds + skewSeconds);
