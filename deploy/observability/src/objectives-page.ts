import { matchersText } from './expressions.ts';
import { type BudgetObjective, budgeted, levels, missingIndicators } from './objectives.ts';
import { burnRates, levelText, minimumBadEvents, percent, titleOf } from './rules.ts';

const link = (alert: string): string => `[${alert}](runbooks/${alert}.md)`;

function indicatorText(objective: BudgetObjective): string {
  const { where = {} } = objective;
  const labels = matchersText(where);
  const of = labels === '' ? '' : `{${labels}}`;
  if (objective.kind === 'latency') return `\`${objective.histogram}${of}\``;
  const [label = ''] = Object.keys(objective.bad);
  return `\`${objective.kind === 'errors' ? objective.counter : objective.gauge}${of}\` by \`${label}\``;
}

/** docs/operations/objectives.md */
export function objectivesPage(): string {
  const ratios = budgeted.map(
    (each) =>
      `| \`${each.id}\` | ${titleOf(each)} | ${percent(each.target)} | ${indicatorText(each)} | ${link(each.alert)} |`,
  );
  const bounds = levels.map(
    (each) =>
      `| \`${each.id}\` | ${each.title} | ${each.above === 0 && each.unit === 'count' ? '0' : levelText(each)} | ${each.for === '0m' ? 'at once' : each.for} | ${each.severity} | ${link(each.alert)} |`,
  );
  const burns = burnRates.map(({ severity, long, short, rate }) => `| ${severity} | ${rate} | ${long} | ${short} |`);
  const missing = missingIndicators.map(({ name, why }) => `- **${name[0]!.toUpperCase()}${name.slice(1)}.** ${why}`);
  return `# Objectives

Generated from \`deploy/observability/src/objectives.ts\` by \`npm run generate\`. The same table makes the rules of Prometheus and the burn rates on the
dashboards. [README.md](README.md) says how to install them.

Targets are those of a fleet that has enough of everything; change them in the table to what your users need.

## Budgets

Share of events, or of peers, that has to be good over 30 days. Failures are the error codes with a status of 500 or above
([errors.md](../errors.md)): what the client does wrongly does not count.

| indicator | objective | target | metric | alert |
| --- | --- | --- | --- | --- |
${ratios.join('\n')}

An alert fires when the error budget is used up faster than evenly over 30 days, in a long and in a short window (Google SRE workbook, chapter 5),
and at least ${minimumBadEvents} bad events are in the long one. A target of 95 % for a duration is its p95.

| severity | times faster than in 30 days | long window | short window |
| --- | --- | --- | --- |
${burns.join('\n')}

## Bounds

Values that stay at or below a bound. An alert fires when one is above it for the time in the table.

| indicator | value | bound | for | severity | alert |
| --- | --- | --- | --- | --- | --- |
${bounds.join('\n')}

## Not measured

The indicators leave out:

${missing.join('\n')}

No metric has a label for a room, a session or a user: there are as many of them as calls. The console shows one room, traces show one session.
`;
}
