import type { PlannerSettings } from './settings.ts';
import type { FleetState, PlannerMemory, PlannerNode, Rollout } from './state.ts';

const isDraining = ({ alive, drainStartedAt }: PlannerNode): boolean => alive && drainStartedAt !== undefined;

/** The revision whose first node started last: the process of an older one may have started again since. */
function newestRevision(nodes: readonly PlannerNode[]): string | undefined {
  const firstStart = new Map<string, number>();
  for (const { alive, revision, startedAt } of nodes)
    if (alive && revision !== undefined)
      firstStart.set(revision, Math.min(startedAt, firstStart.get(revision) ?? Infinity));
  return [...firstStart].toSorted(([, one], [, other]) => other - one)[0]?.[0];
}

/** The current rollout: a sequence of drains with intervals below `rolloutPauseMs`. */
export function rolloutOf(
  { nodes }: FleetState,
  { rollout: known }: PlannerMemory,
  { rolloutPauseMs }: PlannerSettings,
  now: number,
): Rollout | undefined {
  const starts = nodes.flatMap(({ alive, drainStartedAt }) =>
    alive && drainStartedAt !== undefined ? drainStartedAt : [],
  );
  const continued = known && now - known.seenAt < rolloutPauseMs ? known : undefined;
  if (starts.length === 0) return continued;
  return { since: Math.min(continued?.since ?? Infinity, ...starts), seenAt: now };
}

/**
 * Ids of the nodes that replace drained ones: those of the newest revision, or where nodes report none, those that started for the
 * rollout. A peer that moves to one of them is moved only once by the rollout.
 */
export function replacements(
  { nodes }: FleetState,
  rollout: Rollout | undefined,
  { rolloutPauseMs }: PlannerSettings,
): ReadonlySet<string> {
  if (!rollout) return new Set();
  const revision = newestRevision(nodes);
  if (revision !== undefined) {
    // A machine that is drained, or a smaller fleet, replaces no revision.
    const isReplaced = nodes.some((each) => isDraining(each) && each.revision !== revision);
    return new Set(isReplaced ? nodes.flatMap((each) => (each.revision === revision ? [each.id] : [])) : []);
  }
  const isNew = (startedAt: number): boolean => startedAt >= rollout.since - rolloutPauseMs;
  return new Set(nodes.filter(({ startedAt }) => isNew(startedAt)).map(({ id }) => id));
}
