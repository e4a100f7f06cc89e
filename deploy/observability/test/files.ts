import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { objectives } from '../src/objectives.ts';
import { type AlertRule, type RecordingRule, runbookOf } from '../src/rules.ts';

export const pathOf = (file: string): string => fileURLToPath(new URL(`../../../${file}`, import.meta.url));
export const rulesFile = 'deploy/observability/generated/flotilla.rules.yaml';
export const alertmanagerFile = 'deploy/observability/generated/alertmanager.yaml';

/** What a rule is called in a message. */
export const nameOf = (rule: RecordingRule | AlertRule): string =>
  'alert' in rule ? `${rule.alert} ${rule.labels['severity']}` : `${rule.record} ${rule.labels['sli']}`;

export interface Query {
  /** Where it is used. */
  readonly of: string;
  readonly expr: string;
}

/** The queries of a dashboard's panels. */
export function queriesOf(dashboard: Dashboard): Query[] {
  return (dashboard.panels ?? []).flatMap((panel) => {
    const { title = '', targets = [] } = panel as { title?: string; targets?: readonly unknown[] };
    return targets.map((target) => ({ of: `${dashboard.title}: ${title}`, expr: (target as { expr: string }).expr }));
  });
}

/** The queries that the runbook of an alert shows. */
export const runbookQueries = (alert: string): Query[] =>
  [...readFileSync(pathOf(runbookOf(alert)), 'utf8').matchAll(/^ *```promql\n([^`]*)```/gm)].map(([, expr]) => ({
    of: `runbook of ${alert}`,
    expr: expr!.trim(),
  }));

/** The queries of all runbooks. */
export const allRunbookQueries = (): Query[] => objectives.flatMap(({ alert }) => runbookQueries(alert));
