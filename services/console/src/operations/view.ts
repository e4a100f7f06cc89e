import type { ApiKeyInfo, Operations } from '@flotilla/contracts';

/** Windows of the burn rates that are shown: durations of Prometheus. */
export const burnWindows = ['1h', '6h', '3d'] as const;
export type BurnWindow = (typeof burnWindows)[number];

/** A service-level objective, from the table in deploy/observability. */
export interface Objective {
  /** Value of the label `sli` of its recorded series. */
  readonly id: string;
  /** Name of its alerts. */
  readonly alert: string;
  readonly title: string;
  /** For a share of events or peers: the share that may be bad, 0 to 1. */
  readonly budget?: number;
  /** For a value with an upper bound. */
  readonly above?: number;
  readonly unit?: 's' | 'ratio' | 'count';
}

/** An objective with its figures. */
export interface ObjectiveFigures extends Objective {
  /** How many times faster than evenly over 30 days its budget was used up within each window. Without events, a window is absent. */
  readonly burn?: Readonly<Partial<Record<BurnWindow, number>>>;
  /** The value that is bounded, where it is the highest. */
  readonly value?: number;
  /** The most severe alert that fires. */
  readonly firing?: 'page' | 'ticket';
}

export interface ObjectivesView {
  /** `off`: no URL of Prometheus is configured. `failed`: it did not answer, and the figures are old ones or absent. */
  readonly prometheus: 'off' | 'answered' | 'failed';
  /** Why it did not answer. */
  readonly problem?: string;
  /** Age of the figures, in ms. Absent without figures. */
  readonly ageMs?: number;
  readonly objectives: readonly ObjectiveFigures[];
}

/** What the operations page shows: the reply of GET /console/operations. */
export interface OperationsView {
  readonly key: ApiKeyInfo;
  readonly fleet: Operations;
  readonly objectives: ObjectivesView;
}
