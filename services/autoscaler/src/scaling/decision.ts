import type { ScalingCause } from '@flotilla/contracts';
import type { Demand } from './demand.ts';
import type { ScalingSettings } from './settings.ts';

/** What decisions are based on besides the demand. Immutable: each decision returns the next one. */
export interface ScalingMemory {
  /** Time of the first decision. */
  readonly since: number | undefined;
  /** The demand within the longer of `trendMs` and `cpuForMs`, and at the last sample before, the oldest first. */
  readonly samples: readonly { readonly at: number; readonly sessions: number; readonly cpu: number }[];
  /** Numbers that the demand required within `stabilizationMs`, the greatest first and each until a smaller one was last required. */
  readonly required: readonly { readonly at: number; readonly nodes: number }[];
}

export const emptyScalingMemory: ScalingMemory = { since: undefined, samples: [], required: [] };

export interface ScalingTarget {
  /** The number of nodes that take participants. */
  readonly nodes: number;
  readonly cause: ScalingCause;
  /** Sessions that are expected once a new node serves. */
  readonly expectedSessions: number;
  /** New sessions per second. */
  readonly growth: number;
}

export interface ScalingDecision extends ScalingTarget {
  readonly memory: ScalingMemory;
}

/**
 * Decides how many nodes the fleet needs. A pure function: the same demand, memory and time give the same decision. It rises at once
 * and falls only to the greatest number that was required within the stabilisation window, so that it cannot flap.
 *
 * @param current the number of nodes there are, below which it does not fall before one window was seen; undefined when unknown
 * @param now time of a monotonic clock, in milliseconds
 */
export function decide(
  demand: Demand,
  current: number | undefined,
  memory: ScalingMemory,
  settings: ScalingSettings,
  now: number,
): ScalingDecision {
  const since = memory.since ?? now;
  const keptMs = Math.max(settings.trendMs, settings.cpuForMs);
  const samples = [
    ...memory.samples.slice(Math.max(0, lastBefore(memory.samples, now - keptMs))),
    { at: now, sessions: demand.sessions, cpu: demand.cpu },
  ];
  const { nodes: needed, cause, growth, expectedSessions } = requiredNodes(demand, samples, settings, now);
  const required = remember(memory.required, needed, settings, now);
  // A new leader does not know what was required before it led.
  const isNew = now - since < settings.stabilizationMs;
  const highest = Math.max(required[0]?.nodes ?? settings.min, isNew ? (current ?? settings.min) : settings.min);
  const nodes = clamp(highest, settings);
  return {
    nodes,
    cause: causeOf(nodes, needed, cause, settings),
    expectedSessions,
    growth,
    memory: { since, samples, required },
  };
}

function requiredNodes(
  { sessions, capacity }: Demand,
  samples: ScalingMemory['samples'],
  settings: ScalingSettings,
  now: number,
): { nodes: number | undefined; cause: 'sessions' | 'cpu'; growth: number; expectedSessions: number } {
  const { trendMs, leadMs, cpuForMs, headroomShare, headroomSessions, meanCpu } = settings;
  const lowest = Math.min(...samples.flatMap(({ at, sessions: then }) => (now - at <= trendMs ? then : [])));
  const growth = ((sessions - lowest) * 1000) / trendMs;
  const expectedSessions = sessions + (growth * leadMs) / 1000;
  if (capacity === undefined) return { nodes: undefined, cause: 'sessions', growth, expectedSessions };
  const bySessions = Math.ceil(
    Math.max(expectedSessions * (1 + headroomShare), expectedSessions + headroomSessions) / capacity,
  );
  // Only CPU that lasted: the sample at the beginning of the interval, or the last one before, and all later ones have it.
  const first = lastBefore(samples, now - cpuForMs);
  const lasting = first === -1 ? 0 : Math.min(...samples.slice(first).map(({ cpu }) => cpu));
  const rise = sessions > 0 ? expectedSessions / sessions : 1;
  // The target leaves the headroom.
  const byCpu = Math.ceil((lasting * rise) / meanCpu);
  return byCpu > bySessions
    ? { nodes: byCpu, cause: 'cpu', growth, expectedSessions }
    : { nodes: bySessions, cause: 'sessions', growth, expectedSessions };
}

/** Index of the newest sample that is not younger than a time, -1 without one. */
const lastBefore = (samples: ScalingMemory['samples'], time: number): number =>
  samples.findLastIndex(({ at }) => at <= time);

/** Adds a number, and drops those before it that are not greater: they cannot be the greatest of any window that has it. */
function remember(
  required: ScalingMemory['required'],
  nodes: number | undefined,
  settings: ScalingSettings,
  now: number,
): ScalingMemory['required'] {
  const recent = required.filter(({ at }) => now - at < settings.stabilizationMs);
  if (nodes === undefined) return recent;
  const bounded = clamp(nodes, settings);
  return [...recent.filter((each) => each.nodes > bounded), { at: now, nodes: bounded }];
}

const clamp = (nodes: number, { min, max }: ScalingSettings): number => Math.min(max, Math.max(min, nodes));

function causeOf(
  nodes: number,
  needed: number | undefined,
  cause: 'sessions' | 'cpu',
  { min, max }: ScalingSettings,
): ScalingCause {
  if (needed === undefined) return 'unknown';
  if (needed > max) return 'maximum';
  if (nodes > Math.max(needed, min)) return 'stabilization';
  return needed < min ? 'minimum' : cause;
}
