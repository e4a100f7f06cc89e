import type { Canary } from '@flotilla/contracts';

/** The part of the canary that decides on placement. */
export type CanaryRules = Pick<Canary, 'stable' | 'previous' | 'candidate' | 'share' | 'excluded'>;

/** The rules of a record: only an observed candidate gets a share. */
export function rulesOf({ stable, previous, candidate, share, excluded, phase }: Canary): CanaryRules {
  return {
    stable,
    share,
    excluded,
    ...(previous !== undefined && { previous }),
    ...(phase === 'observing' && candidate !== undefined && { candidate }),
  };
}

/** `excluded`: the nodes get no participants and lose theirs. `waiting`: they keep theirs and get none until the candidate is decided on. */
export type Side = 'stable' | 'candidate' | 'excluded' | 'waiting';

/** The side of a node's version. The include canary.lua does the same; the conformance suite compares. */
export function sideOf(rules: CanaryRules | undefined, version: string): Side {
  if (!rules) return 'stable';
  if (rules.excluded.includes(version)) return 'excluded';
  if (version === rules.stable || version === rules.previous) return 'stable';
  return version === rules.candidate ? 'candidate' : 'waiting';
}

/**
 * The nodes that a participant may be assigned to: those of the candidate if `draw`, a number in [0, 1), is below its share, else
 * those of the stable version; all when that side has no free capacity.
 */
export function onDrawnSide<Node extends { readonly capacity: number; readonly reserved: number; readonly side: Side }>(
  nodes: readonly Node[],
  share: number,
  draw: number,
): readonly Node[] {
  const drawn = draw < share ? 'candidate' : 'stable';
  const wanted = nodes.filter(({ side, reserved, capacity }) => side === drawn && reserved < capacity);
  return wanted.length > 0 ? wanted : nodes;
}
