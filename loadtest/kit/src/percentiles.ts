/** Nearest rank, from 1, of a percentile among `count` sorted values. `share` is between 0 and 1. */
export function nearestRank(count: number, share: number): number {
  return Math.max(1, Math.ceil(count * share));
}

/** The nearest-rank percentile of sorted values; `share` is between 0 and 1. Undefined for an empty list. */
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

/** Count and percentiles of measurements; zeros for an empty list. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => percentile(sorted, share) ?? 0;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
