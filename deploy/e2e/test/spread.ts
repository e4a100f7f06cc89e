import { summarize } from '@flotilla/loadtest-kit';

/** Nearest-rank percentiles of measurements as text, in whole units. */
export function spread(values: readonly number[]): string {
  const { p50, p95, max } = summarize(values);
  return `p50 ${Math.round(p50)}, p95 ${Math.round(p95)}, max ${Math.round(max)}`;
}
