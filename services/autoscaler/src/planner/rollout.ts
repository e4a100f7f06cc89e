import type { PlannerSettings } from './settings.ts';
import type { FleetState, PlannerMemory, Rollout } from './state.ts';

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

/** Ids of the nodes that replace drained ones. A peer that moves to one of them is moved only once by the rollout. */
export function replacements(
  { nodes }: FleetState,
  rollout: Rollout | undefined,
  { rolloutPauseMs }: PlannerSettings,
): ReadonlySet<string> {
  if (!rollout) return new Set();
  const isNew = (startedAt: number): boolean => startedAt >= rollout.since - rolloutPauseMs;
  return new Set(nodes.filter(({ startedAt }) => isNew(startedAt)).map(({ id }) => id));
}
