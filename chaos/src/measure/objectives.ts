import {
  type BudgetObjective,
  type LevelObjective,
  type Objective,
  objectives,
  titleOf,
} from '@flotilla/observability';
import type { MetricHistory, Span } from './metric-history.ts';

/** How an objective did over a span. */
export interface ObjectiveResult {
  readonly id: string;
  readonly title: string;
  /** Share of good events or peers, or the worst value of a level. Undefined when nothing was counted. */
  readonly value: number | undefined;
  /** The target of a share, or the bound of a level. */
  readonly target: number;
  readonly met: boolean | undefined;
  /** Number of events that the share is of. */
  readonly events: number | undefined;
}

function budget(objective: BudgetObjective, history: MetricHistory, span: Span): Omit<ObjectiveResult, 'id' | 'title'> {
  const { where = {}, target } = objective;
  if (objective.kind === 'share') {
    const all = history.values(objective.gauge, where, span).reduce((sum, value) => sum + value, 0);
    const bad = history.values(objective.gauge, { ...where, ...objective.bad }, span).reduce((sum, v) => sum + v, 0);
    return share(all, all - bad, target, undefined);
  }
  if (objective.kind === 'latency') {
    const { histogram, withinSeconds } = objective;
    const all = history.increase(`${histogram}_count`, where, span);
    const good = history.increase(`${histogram}_bucket`, { ...where, le: String(withinSeconds) }, span);
    return share(all, good, target, all);
  }
  const all = history.increase(objective.counter, where, span);
  const bad = history.increase(objective.counter, { ...where, ...objective.bad }, span);
  return share(all, all - bad, target, all);
}

function share(all: number, good: number, target: number, events: number | undefined) {
  const value = all > 0 ? good / all : undefined;
  return { value, target, met: value === undefined ? undefined : value >= target, events };
}

/** Levels whose expression is the largest or smallest of one gauge; others need a Prometheus. */
function level(objective: LevelObjective, history: MetricHistory, span: Span): Omit<ObjectiveResult, 'id' | 'title'> {
  const [, fold, name] = /^(max|min)(?: by \([^)]*\))? ?\((\w+)\)$/.exec(objective.value((metric) => metric)) ?? [];
  const values = name === undefined ? [] : history.values(name, {}, span);
  const value = values.length === 0 ? undefined : fold === 'max' ? Math.max(...values) : Math.min(...values);
  return {
    value,
    target: objective.above,
    met: value === undefined ? undefined : value <= objective.above,
    events: undefined,
  };
}

/** Evaluates an objective over a span. */
export function evaluate(objective: Objective, history: MetricHistory, span: Span): ObjectiveResult {
  const title = objective.kind === 'level' ? objective.title : titleOf(objective);
  const result = objective.kind === 'level' ? level(objective, history, span) : budget(objective, history, span);
  return { id: objective.id, title, ...result };
}

export const objectiveOf = (id: string): Objective | undefined => objectives.find((each) => each.id === id);

/** Evaluates every objective that a span can be measured against without a Prometheus. */
export const evaluateAll = (history: MetricHistory, span: Span): ObjectiveResult[] =>
  objectives.map((each) => evaluate(each, history, span));
