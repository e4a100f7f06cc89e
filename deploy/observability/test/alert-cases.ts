/** Unit tests of the alerts, in the format of `promtool test rules`, made from the table of objectives. */
import { matchersText } from '../src/expressions.ts';
import { type BudgetObjective, type LevelObjective, type Matchers, objectives } from '../src/objectives.ts';
import { type AlertRule, alertRules, budgetOf, ruleGroups, wholePrometheus } from '../src/rules.ts';
import { levelSamples, type Sample } from './level-samples.ts';

interface Expectation {
  readonly eval_time: string;
  readonly alertname: string;
  readonly exp_alerts: readonly object[];
}

interface Case {
  readonly name: string;
  /** Between two values of a series. */
  readonly interval: string;
  readonly input_series: readonly { readonly series: string; readonly values: string }[];
  readonly alert_rule_test: readonly Expectation[];
}

/** A part of a test: how many events, or peers, are good and bad in each minute. */
interface Phase {
  readonly minutes: number;
  readonly good: number;
  readonly bad: number;
}

/** Values of a series, in promtool's notation, that is a gauge or a counter of these per minute: one each `step` minutes. */
function valuesOf(
  kind: Sample['kind'],
  parts: readonly { readonly minutes: number; readonly perMinute: number }[],
  step = 1,
): string {
  let total = 0;
  return parts
    .map(({ minutes, perMinute }) => {
      const repeated = minutes / step - 1;
      if (kind === 'gauge') return `${perMinute}x${repeated}`;
      const text = `${total}+${perMinute * step}x${repeated}`;
      total += perMinute * minutes;
      return text;
    })
    .join(' ');
}

function series(objective: BudgetObjective, phases: readonly Phase[], step: number): Case['input_series'] {
  const { where = {} } = objective;
  const one = (
    name: string,
    matchers: Matchers,
    perMinute: (phase: Phase) => number,
    kind: Sample['kind'] = 'counter',
  ) => {
    const first = Object.entries({ ...where, ...matchers }).map(([label, value]) => [label, [value].flat()[0]!]);
    const text = matchersText(Object.fromEntries(first) as Matchers);
    return {
      series: `${name}{${text}}`,
      values: valuesOf(
        kind,
        phases.map((phase) => ({ minutes: phase.minutes, perMinute: perMinute(phase) })),
        step,
      ),
    };
  };
  if (objective.kind === 'latency') {
    const { histogram, withinSeconds } = objective;
    return [
      one(`${histogram}_bucket`, { le: String(withinSeconds) }, ({ good }) => good),
      one(`${histogram}_count`, {}, ({ good, bad }) => good + bad),
    ];
  }
  const [name, kind] =
    objective.kind === 'errors' ? [objective.counter, 'counter' as const] : [objective.gauge, 'gauge' as const];
  return [one(name, objective.good, ({ good }) => good, kind), one(name, objective.bad, ({ bad }) => bad, kind)];
}

const rules = alertRules(wholePrometheus);

function firing(alert: string, severity: string, labels: Readonly<Record<string, string>>): object {
  const rule: AlertRule = rules.find((each) => each.alert === alert && each.labels['severity'] === severity)!;
  const fill = (text: string): string =>
    text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label]!);
  return {
    exp_labels: { ...labels, ...rule.labels },
    exp_annotations: Object.fromEntries(Object.entries(rule.annotations).map(([name, text]) => [name, fill(text)])),
  };
}

interface BudgetCases {
  /** Cases of hours, and of days. */
  readonly hours: readonly Case[];
  readonly days: readonly Case[];
}

function budgetCases(objective: BudgetObjective): BudgetCases {
  const { id, alert } = objective;
  const expecting = (minutes: number, ...severities: string[]): Expectation => ({
    eval_time: `${minutes}m`,
    alertname: alert,
    exp_alerts: severities.map((severity) => firing(alert, severity, { sli: id })),
  });
  /** Uses the budget up at this rate. */
  const burning = (rate: number, minutes: number, perMinute = 1000): Phase => {
    const bad = Number((perMinute * rate * budgetOf(objective)).toPrecision(6));
    return { minutes, good: perMinute - bad, bad };
  };
  const makeWith =
    (step: number) =>
    (name: string, phases: readonly Phase[], ...expected: Expectation[]): Case => ({
      name: `${id}: ${name}`,
      interval: `${step}m`,
      input_series: series(objective, phases, step),
      alert_rule_test: expected,
    });
  const ofHours = makeWith(1);
  const ofDays = makeWith(2);
  const cases = [
    ofHours(
      'all bad for an hour pages, and no longer 40 minutes after its end',
      [burning(0, 60, 100), { minutes: 60, good: 0, bad: 100 }, burning(0.5, 45, 100)],
      expecting(55),
      expecting(120, 'page', 'ticket'),
      expecting(160, 'ticket'),
    ),
    ofHours('four times the budget is a ticket and no page', [burning(4, 185)], expecting(180, 'ticket')),
    ofHours('half of the budget is silent', [burning(0.5, 185)], expecting(60), expecting(180)),
    ofHours('no event at all is silent', [{ minutes: 125, good: 0, bad: 0 }], expecting(120)),
  ];
  const quiet = ofHours(
    'three bad events of a quiet fleet are silent',
    [burning(0, 60, 0.05), { minutes: 60, good: 0, bad: 0.05 }],
    expecting(115),
  );
  const day = 24 * 60;
  const good = burning(0, day);
  return {
    hours: objective.kind === 'share' ? cases : [...cases, quiet],
    // Each pair of windows fires alone, and is silent when one of its windows is below its bound.
    days: [
      ofDays('ten bad minutes of a good day are silent', [good, burning(20, 12)], expecting(day + 10)),
      ofDays('half a bad hour of a good day is silent', [good, burning(10, 36)], expecting(day + 30)),
      ofDays('two bad hours of a good day are silent', [good, burning(4, 160)], expecting(day + 150)),
      ofDays(
        'a bad hour of a good day pages by the window of 1 h, and no longer 10 minutes after its end',
        [good, burning(20, 52), burning(0.5, 20)],
        expecting(day + 50, 'page'),
        expecting(day + 60),
      ),
      ofDays(
        'four bad hours page by the window of 6 h',
        [good, burning(10, 260)],
        expecting(day + 250, 'page', 'ticket'),
      ),
      ofDays(
        'a bad quiet day after busy ones is a ticket by the window of 1 d',
        [burning(0, 2 * day, 50_000), burning(4, day + 20, 100)],
        expecting(3 * day + 10, 'ticket'),
      ),
      ofDays('a slow loss is a ticket by the window of 3 d', [burning(1.5, day)], expecting(day - 10, 'ticket')),
      ofDays(
        'a bad day is silent after seven good hours',
        [burning(10, day), burning(0.5, 430)],
        expecting(day - 10, 'page', 'ticket'),
        expecting(day + 420),
      ),
    ],
  };
}

/** Minutes of a duration such as `10m`. */
const minutesOf = (duration: string): number => Number.parseInt(duration, 10);

function levelCases({ id, alert, severity, for: lasting }: LevelObjective): Case[] {
  const { fault, noise, labels } = levelSamples[id]!;
  const expecting = (minutes: number, fires: boolean): Expectation => ({
    eval_time: `${minutes}m`,
    alertname: alert,
    exp_alerts: fires ? [firing(alert, severity, { sli: id, ...labels })] : [],
  });
  const during = (samples: readonly Sample[], minutes: number): Case['input_series'] =>
    samples.map(({ series, kind, perMinute }) => ({ series, values: valuesOf(kind, [{ minutes, perMinute }]) }));
  const wait = minutesOf(lasting);
  return [
    {
      name: `${id}: a fault fires after ${lasting}, not before`,
      interval: '1m',
      input_series: during(fault, 60),
      // The rate of a counter over 5 minutes needs 5 minutes of values.
      alert_rule_test: [...(wait > 0 ? [expecting(wait - 1, false)] : []), expecting(Math.max(wait + 7, 15), true)],
    },
    {
      name: `${id}: noise is silent`,
      interval: '1m',
      input_series: during(noise, 60),
      alert_rule_test: [expecting(wait + 5, false), expecting(55, false)],
    },
  ];
}

/** Files of unit tests for the alert of an objective. */
export function alertTests(id: string, rulesPath: string): object[] {
  const objective = objectives.find((each) => each.id === id)!;
  const file = (every: string, tests: readonly Case[]): object => ({
    rule_files: [rulesPath],
    evaluation_interval: every,
    // Alerts read what the groups before have recorded at the same time.
    group_eval_order: ruleGroups(wholePrometheus).map(({ name }) => name),
    tests,
  });
  if (objective.kind === 'level') return [file('1m', levelCases(objective))];
  const { hours, days } = budgetCases(objective);
  // promtool looks at the last evaluation before the time of an expectation.
  return [file('5m', hours), file('10m', days)];
}
