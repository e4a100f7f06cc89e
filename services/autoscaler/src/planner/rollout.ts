import type { PlannerSettings } from './settings.ts';
import type { FleetState, PlannerMemory, Rollout } from './state.ts';

/** The rollout that is going on: nodes are drained one after the other. */
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

/** The nodes that replace others: whoever moves to one of them is not moved again by this rollout. */
export function replacements(
  { nodes }: FleetState,
  rollout: Rollout | undefined,
  { rolloutPauseMs }: PlannerSettings,
): ReadonlySet<string> {
  if (!rollout) return new Set();
  const isNew = (startedAt: number): boolean => startedAt >= rollout.since - rolloutPauseMs;
  return new Set(nodes.filter(({ startedAt }) => isNew(startedAt)).map(({ id }) => id));
}
