import { summarize } from '@flotilla/loadtest-kit';

/** Measurements in a line, in whole units: percentiles by nearest rank. */
export function spread(values: readonly number[]): string {
  const { p50, p95, max } = summarize(values);
  return `p50 ${Math.round(p50)}, p95 ${Math.round(p95)}, max ${Math.round(max)}`;
}
