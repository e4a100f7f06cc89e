import { preferredLoadLimit } from './store.ts';

/** A node that a member may be assigned to. */
export interface Candidate {
  readonly id: string;
  /** Number of sessions that it takes, and of those that are assigned to it, reported or not yet. */
  readonly capacity: number;
  readonly reserved: number;
  /** See `hottestCpu`, 0 to 1. */
  readonly cpu: number;
  /** It hosts the room already; with the room's setting `spread`, it does not. */
  readonly preferred: boolean;
}

/**
 * Chooses a node: among the preferred ones whose load is below `preferredLoadLimit`, or where there are none, among all. Of their
 * less loaded half two are chosen at random, of which the less loaded wins (Mitzenmacher, "The Power of Two Choices in Randomized
 * Load Balancing", 2001): stale figures then do not send all new members to one node. Load is the greater of reserved share and
 * CPU. The Redis scripts choose the same node without reading all of them, see includes/placement.lua; a property test compares. Of more
 * than `maxExaminedHosts` nodes that host a room they compare as many at random.
 *
 * @param random two numbers in [0, 1).
 */
export function chooseNode(candidates: readonly Candidate[], random: readonly [number, number]): string | undefined {
  const load = ({ reserved, capacity, cpu }: Candidate): number => Math.max(reserved / capacity, cpu);
  const free = candidates
    .filter(({ reserved, capacity }) => reserved < capacity)
    .sort((a, b) => load(a) - load(b) || (a.id < b.id ? -1 : 1));
  const preferred = free.filter((node) => node.preferred && load(node) < preferredLoadLimit);
  const from = preferred.length > 0 ? preferred : free;
  // Two different ones, where there are two. Sorted by load: the smaller index is the less loaded.
  const among = Math.max(Math.min(from.length, 2), Math.ceil(from.length / 2));
  const first = Math.floor(random[0] * among);
  let second = Math.floor(random[1] * (among - 1));
  if (second >= first) second++;
  return from[among > 1 ? Math.min(first, second) : 0]?.id;
}
