/** Settings of the canary. Times in milliseconds, shares and confidences as fractions of one. */
export interface CanarySettings {
  /** Share of the joins that a candidate gets. */
  readonly share: number;
  /** Confidence from which on a difference counts as shown. */
  readonly confidence: number;
  /** Difference of two mean costs (0 to 1) that is accepted. */
  readonly tolerance: number;
  /** Samples of each version before the comparison decides. */
  readonly minSamples: number;
  /** Time that a participant is measured after its join. */
  readonly sampleMs: number;
  /** Earliest promotion by the comparison. */
  readonly minMs: number;
  /** Time after which the observation ends without proof. */
  readonly maxMs: number;
  /** Deaths of one process of the candidate, by its name, that are a crash loop. */
  readonly crashLoop: number;
  /** A version without nodes for this long has been taken away. Above the longest pause between two starts of a container, 5 minutes. */
  readonly absentMs: number;
}

export const canarySettings: CanarySettings = {
  share: 0.05,
  confidence: 0.95,
  tolerance: 0.05,
  minSamples: 20,
  sampleMs: 30_000,
  minMs: 600_000,
  maxMs: 14_400_000,
  crashLoop: 3,
  absentMs: 600_000,
};
