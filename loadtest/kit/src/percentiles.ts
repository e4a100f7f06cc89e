/** Which of `count` sorted values, counted from 1, is the smallest that a share of them does not exceed (nearest rank). */
export function nearestRank(count: number, share: number): number {
  return Math.max(1, Math.ceil(count * share));
}

/** The value at a share, between 0 and 1, of all (nearest rank: one of the values themselves). Undefined of none. */
export function percentile(sorted: readonly number[], share: number): number | undefined {
  return sorted[nearestRank(sorted.length, share) - 1];
}

interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Of a list of measurements: how many, and the usual percentiles, in its own unit; zeros of none. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => percentile(sorted, share) ?? 0;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
