import { maxDistanceMs } from './sample.ts';
import type { Estimate } from './time-source.ts';

/** Minimum half-width of an interval, in ms: correct servers differ by as much. */
const minDistanceMs = 1;

interface Edge {
  readonly at: number;
  /** -1: an interval begins; 0: its middle; 1: it ends. */
  readonly kind: -1 | 0 | 1;
}

const reach = ({ errorBoundMs }: Estimate): number => Math.max(errorBoundMs, minDistanceMs);

/**
 * The truechimers among the candidates: the intersection algorithm of RFC 5905, section 11.2.1 (after Marzullo). Finds the smallest
 * interval within the intervals of all but the falsetickers, for the least number of falsetickers and fewer than half. Candidates
 * whose offset lies in it are truechimers. Empty when no majority agrees.
 */
export function truechimers<T extends Estimate>(candidates: readonly T[]): T[] {
  const edges = candidates
    .flatMap((each): Edge[] => [
      { at: each.offsetMs - reach(each), kind: -1 },
      { at: each.offsetMs, kind: 0 },
      { at: each.offsetMs + reach(each), kind: 1 },
    ])
    // Not by subtraction: bounds may be infinite.
    .toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.kind - b.kind));
  for (let falsetickers = 0; 2 * falsetickers < candidates.length; falsetickers++) {
    const required = candidates.length - falsetickers;
    const low = scan(edges, -1, required);
    const high = scan(edges.toReversed(), 1, required);
    if (low === undefined || high === undefined || low > high) continue;
    const inside = candidates.filter(({ offsetMs }) => offsetMs >= low && offsetMs <= high);
    if (inside.length >= required) return inside;
  }
  return [];
}

/** The first point at which `required` intervals overlap. */
function scan(edges: readonly Edge[], opening: -1 | 1, required: number): number | undefined {
  let open = 0;
  for (const { at, kind } of edges) {
    if (kind === opening) open++;
    else if (kind !== 0) open--;
    if (open >= required) return at;
  }
  return undefined;
}

/** The mean of at least one estimate, weighted by the inverse of the error bound (RFC 5905, section 11.2.3). */
export function combine(survivors: readonly Estimate[]): Estimate {
  const weights = survivors.map((each) => 1 / Math.min(reach(each), maxDistanceMs));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (of: (each: Estimate) => number): number =>
    survivors.reduce((sum, each, index) => sum + of(each) * weights[index]!, 0) / total;
  const base = survivors[0]!.offsetMs;
  return {
    // Averages differences: sums of offsets, which are as large as the epoch, would lose precision.
    offsetMs: base + mean(({ offsetMs }) => offsetMs - base),
    errorBoundMs: mean(({ errorBoundMs }) => errorBoundMs),
    drift: { ratio: mean(({ drift }) => drift.ratio), tolerance: mean(({ drift }) => drift.tolerance) },
    samples: Math.max(...survivors.map(({ samples }) => samples)),
  };
}
