import type { BudgetObjective, Matchers, Select } from './objectives.ts';

/** Matchers as PromQL writes them: `a="b",c=~"d|e"`. */
export const matchersText = (matchers: Matchers): string =>
  Object.entries(matchers)
    .map(([label, value]) => (typeof value === 'string' ? `${label}="${value}"` : `${label}=~"${value.join('|')}"`))
    .join(',');

/** Selects series with these matchers, and with those of `scope` in addition. */
export const select =
  (scope: Matchers): Select =>
  (metric, matchers = {}) => {
    const text = matchersText({ ...scope, ...matchers });
    return text === '' ? metric : `${metric}{${text}}`;
  };

interface Counted {
  /** Share of bad events, or of bad peers, over a window. No series without events. */
  readonly ratio: (window: string) => string;
  /** Number of bad events over a window; undefined for what is not counted in events. */
  readonly badEvents: (window: string) => string | undefined;
}

/** The expressions of an objective's indicator. */
export function indicator(objective: BudgetObjective, metric: Select): Counted {
  const { where = {} } = objective;
  if (objective.kind === 'latency') {
    const { histogram, withinSeconds } = objective;
    const all = metric(`${histogram}_count`, where);
    const good = metric(`${histogram}_bucket`, { ...where, le: String(withinSeconds) });
    return {
      ratio: (window) => `1 - sum(rate(${good}[${window}])) / (sum(rate(${all}[${window}])) > 0)`,
      badEvents: (window) => `sum(increase(${all}[${window}])) - sum(increase(${good}[${window}]))`,
    };
  }
  const { bad } = objective;
  const name = objective.kind === 'errors' ? objective.counter : objective.gauge;
  const of = objective.kind === 'errors' ? 'rate' : 'avg_over_time';
  const all = metric(name, where);
  const failed = metric(name, { ...where, ...bad });
  return {
    ratio: (window) => `(sum(${of}(${failed}[${window}])) or vector(0)) / (sum(${of}(${all}[${window}])) > 0)`,
    badEvents: (window) => (of === 'rate' ? `sum(increase(${failed}[${window}]))` : undefined),
  };
}
