import { maxDistanceMs } from './sample.ts';
import type { Estimate } from './time-source.ts';

/** Intervals are at least this wide to each side: honest servers differ by as much. */
const leastDistanceMs = 1;

interface Edge {
  readonly at: number;
  /** -1: an interval begins; 0: its middle; 1: it ends. */
  readonly kind: -1 | 0 | 1;
}

const reach = ({ errorBoundMs }: Estimate): number => Math.max(errorBoundMs, leastDistanceMs);

/**
 * Those that tell the truth if most do: the intersection algorithm of RFC 5905, section 11.2.1 (after Marzullo). Looks for the
 * smallest interval that lies within the intervals of all but `liars`, for as few liars as possible and fewer than half. Those
 * whose offset lies in it are told true. Empty when no majority agrees.
 */
export function truechimers<T extends Estimate>(candidates: readonly T[]): T[] {
  const edges = candidates
    .flatMap((each): Edge[] => [
      { at: each.offsetMs - reach(each), kind: -1 },
      { at: each.offsetMs, kind: 0 },
      { at: each.offsetMs + reach(each), kind: 1 },
    ])
    // Not by subtraction, as there are infinite ones.
    .toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.kind - b.kind));
  for (let liars = 0; 2 * liars < candidates.length; liars++) {
    const wanted = candidates.length - liars;
    const low = scan(edges, -1, wanted);
    const high = scan(edges.toReversed(), 1, wanted);
    if (low === undefined || high === undefined || low > high) continue;
    const inside = candidates.filter(({ offsetMs }) => offsetMs >= low && offsetMs <= high);
    if (inside.length >= wanted) return inside;
  }
  return [];
}

/** Where `wanted` intervals are open at once for the first time. */
function scan(edges: readonly Edge[], opening: -1 | 1, wanted: number): number | undefined {
  let open = 0;
  for (const { at, kind } of edges) {
    if (kind === opening) open++;
    else if (kind !== 0) open--;
    if (open >= wanted) return at;
  }
  return undefined;
}

/** The mean of estimates, weighed by how near they are to the truth (RFC 5905, section 11.2.3). At least one. */
export function combine(survivors: readonly Estimate[]): Estimate {
  const weights = survivors.map((each) => 1 / Math.min(reach(each), maxDistanceMs));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (of: (each: Estimate) => number): number =>
    survivors.reduce((sum, each, index) => sum + of(each) * weights[index]!, 0) / total;
  const base = survivors[0]!.offsetMs;
  return {
    // Offsets are as large as the epoch; their differences are not, and keep their digits.
    offsetMs: base + mean(({ offsetMs }) => offsetMs - base),
    errorBoundMs: mean(({ errorBoundMs }) => errorBoundMs),
    drift: { ratio: mean(({ drift }) => drift.ratio), tolerance: mean(({ drift }) => drift.tolerance) },
    samples: Math.max(...survivors.map(({ samples }) => samples)),
  };
}
