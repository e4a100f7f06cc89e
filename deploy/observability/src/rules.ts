import { indicator, matchersText, select } from './expressions.ts';
import { type BudgetObjective, budgeted, type LevelObjective, levels, type Objective } from './objectives.ts';

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  readonly interval?: string;
  readonly rules: readonly (RecordingRule | AlertRule)[];
}

/** Names of recorded series; each has the label `sli`. */
export const recorded = {
  ratio: (window: string): string => `flotilla:sli_errors:ratio_rate${window}`,
  badEvents: (window: string): string => `flotilla:sli_errors:increase${window}`,
  level: 'flotilla:sli:level',
};

/**
 * Multi-window, multi-burn-rate alerts of the Google SRE workbook, chapter 5, for a budget of 30 days. `rate`: how many times
 * faster than evenly over 30 days the error budget is used up. Both windows have to be above it: the long one shows that much
 * of the budget was used, the short one that it is still being used.
 */
export const burnRates = [
  { severity: 'page', long: '1h', short: '5m', rate: 14.4 },
  { severity: 'page', long: '6h', short: '30m', rate: 6 },
  { severity: 'ticket', long: '1d', short: '2h', rate: 3 },
  { severity: 'ticket', long: '3d', short: '6h', rate: 1 },
] as const;
type Severity = (typeof burnRates)[number]['severity'];

/** Number of bad events in the long window below which no alert fires, so that one failure of a quiet fleet is none. */
export const minimumBadEvents = 5;

const shortWindows = ['5m', '30m', '1h'];
const longWindows = ['2h', '6h', '1d', '3d'];

/** The part of a fleet's Prometheus that the rules read and write. */
export interface Scope {
  /** Labels that every series of the fleet has, such as its namespace. */
  readonly labels: Readonly<Record<string, string>>;
}

export const wholePrometheus: Scope = { labels: {} };

/** Where the runbook of an alert is, from the root of the repository. */
export const runbookOf = (alert: string): string => `docs/operations/runbooks/${alert}.md`;

/** Rounds away what binary fractions add: 1 - 0.999. */
const rounded = (value: number): number => Number(value.toPrecision(6));
export const budgetOf = ({ target }: BudgetObjective): number => rounded(1 - target);
const burnThreshold = (objective: BudgetObjective, rate: number): number => rounded(rate * budgetOf(objective));
export const percent = (ratio: number): string => `${rounded(ratio * 100)} %`;

const isOfEvents = ({ kind }: BudgetObjective): boolean => kind !== 'share';

function record(windows: readonly string[], scope: Scope): RecordingRule[] {
  return budgeted.flatMap((objective) => {
    const { ratio, badEvents } = indicator(objective, select(scope.labels));
    const labels = { sli: objective.id, ...scope.labels };
    return windows.flatMap((window) => {
      const isLong = burnRates.some(({ long }) => long === window);
      const events = isLong ? badEvents(window) : undefined;
      return [
        { record: recorded.ratio(window), expr: ratio(window), labels },
        ...(events === undefined ? [] : [{ record: recorded.badEvents(window), expr: events, labels }]),
      ];
    });
  });
}

const seriesOf = ({ id }: Objective, scope: Scope): string => `{${matchersText({ sli: id, ...scope.labels })}}`;

/** The services whose logs explain an objective, by the beginning of the names of its metrics. */
const servicesOf: readonly (readonly [prefix: string, service: string])[] = [
  ['signaling_', 'signaling-gateway'],
  ['registry_', 'room-registry'],
  ['sfu_', 'sfu-worker'],
  ['autoscaler_', 'autoscaler'],
];

function metricOf(objective: Objective): string {
  if (objective.kind === 'latency') return objective.histogram;
  if (objective.kind === 'errors') return objective.counter;
  if (objective.kind === 'share') return objective.gauge;
  const metrics: string[] = [];
  objective.value((metric) => {
    metrics.push(metric);
    return metric;
  });
  return metrics[0]!;
}

/** LogQL that finds the warnings and errors of the services behind an objective. The services write the fields `service` and `level`. */
export function logsOf(objective: Objective): string {
  const metric = metricOf(objective);
  const service = servicesOf.find(([prefix]) => metric.startsWith(prefix))?.[1] ?? '.+';
  return `{namespace=~".+"} | json | service=~"${service}" | level >= 40`;
}

function annotations(objective: Objective, description: string): AlertRule['annotations'] {
  const { alert, summary } = objective;
  return { summary, description, runbook: runbookOf(alert), logs: logsOf(objective) };
}

function burnAlert(objective: BudgetObjective, severity: Severity, scope: Scope): AlertRule {
  const series = seriesOf(objective, scope);
  const conditions = burnRates
    .filter((each) => each.severity === severity)
    .map(({ long, short, rate }) => {
      const threshold = burnThreshold(objective, rate);
      return [
        `${recorded.ratio(long)}${series} > ${threshold}`,
        `${recorded.ratio(short)}${series} > ${threshold}`,
        ...(isOfEvents(objective) ? [`${recorded.badEvents(long)}${series} >= ${minimumBadEvents}`] : []),
      ].join(' and ');
    });
  const when = burnRates
    .filter((each) => each.severity === severity)
    .map(({ long, rate }) => `${percent(burnThreshold(objective, rate))} for ${long}`)
    .join(' or ');
  return {
    alert: objective.alert,
    expr: conditions.map((condition) => `(${condition})`).join(' or '),
    labels: { severity },
    annotations: annotations(
      objective,
      `${titleOf(objective)}: the objective is ${percent(objective.target)}, and more than ${when} missed it.`,
    ),
  };
}

/** The title with the bound of a duration filled in. */
export const titleOf = (objective: BudgetObjective): string =>
  objective.kind === 'latency'
    ? objective.title.replace('{bound}', `${rounded(objective.withinSeconds * 1000)} ms`)
    : objective.title;

export const levelText = ({ above, unit }: LevelObjective): string =>
  unit === 'ratio' ? percent(above) : unit === 's' ? `${above} s` : String(above);

function levelAlert(objective: LevelObjective, scope: Scope): AlertRule {
  /** It has to be 0, as the title says. */
  const isNever = objective.unit === 'count' && objective.above === 0;
  const affected = objective.by.map((label) => `${label} {{ $labels.${label} }}`).join(', ');
  return {
    alert: objective.alert,
    expr: `${recorded.level}${seriesOf(objective, scope)} > ${objective.above}`,
    ...(objective.for !== '0m' && { for: objective.for }),
    labels: { severity: objective.severity },
    annotations: annotations(
      objective,
      `${objective.title}${isNever ? '' : `: above ${levelText(objective)}`}${affected === '' ? '' : `, at ${affected}`}.`,
    ),
  };
}

/** All rules, for the series in a scope. */
export function ruleGroups(scope: Scope): RuleGroup[] {
  return [
    { name: 'flotilla-indicators', rules: record(shortWindows, scope) },
    // Rarely, because they read days. Below the 5 minutes after which a series without a new value ends.
    { name: 'flotilla-indicators-long', interval: '2m', rules: record(longWindows, scope) },
    {
      name: 'flotilla-levels',
      rules: levels.map((objective) => ({
        record: recorded.level,
        expr: objective.value(select(scope.labels)),
        labels: { sli: objective.id, ...scope.labels },
      })),
    },
    {
      name: 'flotilla-alerts',
      rules: [
        ...budgeted.flatMap((objective) =>
          (['page', 'ticket'] as const).map((severity) => burnAlert(objective, severity, scope)),
        ),
        ...levels.map((objective) => levelAlert(objective, scope)),
      ],
    },
  ];
}

export const isAlert = (rule: RecordingRule | AlertRule): rule is AlertRule => 'alert' in rule;

export const alertRules = (scope: Scope): AlertRule[] =>
  ruleGroups(scope).flatMap(({ rules }) => rules.filter(isAlert));
