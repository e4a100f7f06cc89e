import { stringify } from 'yaml';
import { alertmanagerConfig } from './alertmanager.ts';
import { consoleObjectives } from './console-objectives.ts';
import { dashboards } from './dashboards/index.ts';
import { objectivesPage } from './objectives-page.ts';
import { ruleGroups, type Scope, wholePrometheus } from './rules.ts';

/** The chart's template puts the namespace of the release in its place. */
const release: Scope = { labels: { namespace: '@namespace@' } };

const header = '# Generated from deploy/observability/src/objectives.ts by `npm run generate`.\n';
const yaml = (value: unknown): string => header + stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });

const prometheusRule = {
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PrometheusRule',
  metadata: { name: 'flotilla', labels: { 'app.kubernetes.io/name': 'flotilla' } },
  spec: { groups: ruleGroups(wholePrometheus) },
};

/** The files that are generated from the objectives: path from the root of the repository, and content. */
export const generatedFiles = (): Record<string, string> => ({
  'deploy/observability/generated/flotilla.rules.yaml': yaml({ groups: ruleGroups(wholePrometheus) }),
  'deploy/observability/generated/prometheus-rule.yaml': yaml(prometheusRule),
  'deploy/observability/generated/alertmanager.yaml': yaml(alertmanagerConfig),
  ...Object.fromEntries(
    Object.entries(dashboards).map(([name, dashboard]) => [
      `deploy/observability/generated/dashboards/${name}.json`,
      `${JSON.stringify(dashboard, null, 2)}\n`,
    ]),
  ),
  'charts/flotilla/files/prometheus-rules.yaml': yaml({ groups: ruleGroups(release) }),
  'docs/operations/objectives.md': objectivesPage(),
  'services/console/src/generated/objectives.ts': consoleObjectives(),
});
