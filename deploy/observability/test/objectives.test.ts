import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { dashboards } from '../src/dashboards/index.ts';
import { generatedFiles } from '../src/generated-files.ts';
import { budgeted, objectives } from '../src/objectives.ts';
import { alertRules, budgetOf, burnRates, recorded, ruleGroups, runbookOf, wholePrometheus } from '../src/rules.ts';
import { allRunbookQueries, nameOf, pathOf, queriesOf } from './files.ts';
import { selectorsOf } from './promql.ts';
import { registeredSeries } from './registered-metrics.ts';

const read = (file: string): string => readFileSync(pathOf(file), 'utf8');
const rules = ruleGroups(wholePrometheus).flatMap((group) => group.rules);

describe('the table of objectives', () => {
  test('makes the files that are checked in', () => {
    const stale = Object.entries(generatedFiles()).filter(([file, content]) => read(file) !== content);
    expect(stale.map(([file]) => file)).toEqual([]);
  });

  test('has ids and alerts of one objective each', () => {
    for (const of of ['id', 'alert'] as const) {
      const values = objectives.map((each) => each[of]);
      expect(values).toEqual([...new Set(values)]);
    }
  });

  test('has targets at which every burn rate can be reached', () => {
    for (const objective of budgeted)
      for (const { rate } of burnRates) expect(rate * budgetOf(objective), objective.id).toBeLessThan(1);
  });

  test('bounds durations at a bucket of the histogram that Prometheus 2 and 3 name alike', () => {
    const series = registeredSeries();
    for (const objective of budgeted) {
      if (objective.kind !== 'latency') continue;
      expect(series.get(`${objective.histogram}_bucket`)?.buckets, objective.id).toContain(objective.withinSeconds);
      expect(Number.isInteger(objective.withinSeconds), objective.id).toBe(false);
    }
  });
});

describe('the expressions of rules, dashboards and runbooks', () => {
  /** Labels that Prometheus and its operator add to what they scrape. */
  const ofScrape = ['namespace', 'pod', 'instance', 'job'];
  const known = new Map<string, readonly string[]>();

  beforeAll(() => {
    for (const [name, { labels }] of registeredSeries()) known.set(name, labels);
    for (const rule of rules) if ('record' in rule) known.set(rule.record, ['sli']);
  });

  const problems = (expr: string): string[] =>
    selectorsOf(expr).flatMap(({ metric, labels }) => {
      const own = known.get(metric);
      if (!own) return [`${metric} does not exist`];
      return Object.keys(labels)
        .filter((label) => ![...own, ...ofScrape].includes(label))
        .map((label) => `${metric} has no label ${label}`);
    });

  test('name metrics and labels that the services export', () => {
    const queries = Object.values(dashboards).flatMap(queriesOf);
    const all = [...rules.map((rule) => ({ of: nameOf(rule), expr: rule.expr })), ...queries, ...allRunbookQueries()];
    expect(all.length).toBeGreaterThan(200);
    expect(all.flatMap(({ of, expr }) => problems(expr).map((problem) => `${of}: ${problem}`))).toEqual([]);
  });

  test('are read well enough to find a name and a label that do not exist', () => {
    expect(problems('sum by (to) (rate(signaling_dispatch_seconds_bucket{to="room"}[5m])) > 0')).toEqual([
      'signaling_dispatch_seconds_bucket does not exist',
    ]);
    expect(problems('histogram_quantile(0.95, rate(registry_rest_duration_seconds_bucket{code="200"}[5m]))')).toEqual([
      'registry_rest_duration_seconds_bucket has no label code',
    ]);
    expect(problems(`a + on (b) group_left (c) ${recorded.level}{sli="x"}`)).toEqual(['a does not exist']);
  });

  test('of alerts on budgets read recorded series alone', () => {
    const names = new Set(rules.flatMap((rule) => ('record' in rule ? [rule.record] : [])));
    for (const { alert, expr } of alertRules(wholePrometheus))
      expect(
        selectorsOf(expr).filter(({ metric }) => !names.has(metric)),
        alert,
      ).toEqual([]);
  });
});

describe('the runbook', () => {
  const alerts = [...new Set(objectives.map(({ alert }) => alert))];

  test('has a page for each alert and no others', () => {
    const pages = readdirSync(pathOf('docs/operations/runbooks'));
    expect(pages.toSorted()).toEqual(alerts.map((alert) => `${alert}.md`).toSorted());
  });

  test.each(alerts)('says of %s what it means, what to look at and what to do', (alert) => {
    const text = read(runbookOf(alert));
    expect(text).toContain(`# ${alert}\n`);
    expect([...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)).toEqual(['Meaning', 'Look at', 'Do']);
  });

  test.each(alerts)('names for %s only metrics that exist', (alert) => {
    const series = registeredSeries();
    const exported = new Set([...series.keys()].map((name) => name.replace(/_(bucket|sum|count)$/, '')));
    const named = [
      ...read(runbookOf(alert)).matchAll(
        /`((?:signaling|registry|sfu|autoscaler|metadata|flotilla|nodejs|process)_[a-z_]+)/g,
      ),
    ];
    expect(named.map(([, name]) => name!).filter((name) => !exported.has(name) && !series.has(name))).toEqual([]);
  });
});
