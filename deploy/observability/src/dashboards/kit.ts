import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  VisibilityMode,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardLinkBuilder,
  DatasourceVariableBuilder,
  DashboardLinkType,
  type Panel,
  QueryVariableBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { select } from '../expressions.ts';
import type { Matchers } from '../objectives.ts';

const lineStyle = new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Line);
const datasource = { type: 'prometheus', uid: '${datasource}' };
const scope: Matchers = { namespace: ['$namespace'] };

/** A selector of series in the namespaces that the dashboard shows. */
export const metric = select(scope);

/** The average per second over the interval that Grafana chooses for the zoom level. */
export const rate = (name: string, matchers: Matchers = {}): string =>
  `rate(${metric(name, matchers)}[$__rate_interval])`;

/** A quantile of a histogram in seconds, by further labels. */
export function quantile(
  share: number,
  histogram: string,
  matchers: Matchers = {},
  by: readonly string[] = [],
): string {
  return `histogram_quantile(${share}, sum by (${['le', ...by].join(', ')}) (${rate(`${histogram}_bucket`, matchers)}))`;
}

/** Expressions by their legend; `{{label}}` is a label of the series. */
type Queries = Readonly<Record<string, string>>;

interface PanelOptions {
  readonly unit?: string;
  readonly description?: string;
  readonly max?: number;
  /** A line, and the colour above it. */
  readonly above?: number;
  /** Width of 24. */
  readonly span?: number;
}

const targets = (queries: Queries, isInstant = false): Builder<Dataquery>[] =>
  Object.entries(queries).map(([legend, expr], index) => {
    const query = new DataqueryBuilder()
      .refId(String.fromCodePoint(65 + index))
      .datasource(datasource)
      .expr(expr)
      .legendFormat(legend);
    return isInstant ? query.instant() : query.range();
  });

const thresholds = (above: number): ThresholdsConfigBuilder =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([
    { value: null, color: 'green' },
    { value: above, color: 'red' },
  ]);

/** A graph over time. */
export function graph(title: string, queries: Queries, options: PanelOptions = {}): Builder<Panel> {
  const { unit = 'short', description, max, above, span = 8 } = options;
  const panel = new TimeSeriesBuilder()
    .title(title)
    .datasource(datasource)
    .unit(unit)
    .min(0)
    .height(8)
    .span(span)
    .lineWidth(1)
    .fillOpacity(10)
    .showPoints(VisibilityMode.Never)
    .targets(targets(queries));
  if (description !== undefined) panel.description(description);
  if (max !== undefined) panel.max(max);
  if (above !== undefined) panel.thresholds(thresholds(above)).thresholdsStyle(lineStyle);
  return panel;
}

/** The newest value as a number. */
export function stat(title: string, expr: string, options: PanelOptions = {}): Builder<Panel> {
  const { unit = 'short', description, above, span = 4 } = options;
  const panel = new StatBuilder()
    .title(title)
    .datasource(datasource)
    .unit(unit)
    .height(4)
    .span(span)
    .graphMode(BigValueGraphMode.None)
    .noValue('none')
    .targets(targets({ [title]: expr }, true));
  if (description !== undefined) panel.description(description);
  if (above !== undefined) panel.thresholds(thresholds(above));
  return panel;
}

interface Variable {
  readonly name: string;
  /** Series and label that the values come from. */
  readonly of: string;
  readonly label: string;
}

const variable = ({ name, of, label }: Variable): QueryVariableBuilder =>
  new QueryVariableBuilder(name)
    .datasource(datasource)
    .query({ query: `label_values(${of}, ${label})`, refId: `variable-${name}` })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    // Also series without the label.
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] });

/** A dashboard with variables for the data source and the namespaces, and for more. */
export function dashboard(
  id: string,
  title: string,
  description: string,
  panels: readonly Builder<Panel>[],
  variables: readonly Variable[] = [],
): DashboardBuilder {
  const built = new DashboardBuilder(`Flotilla: ${title}`)
    .uid(`flotilla-${id}`)
    .description(description)
    .tags(['flotilla'])
    .readonly()
    .refresh('30s')
    .time({ from: 'now-1h', to: 'now' })
    .withVariable(new DatasourceVariableBuilder('datasource').type('prometheus'))
    .withVariable(variable({ name: 'namespace', of: 'process_cpu_limit_cores', label: 'namespace' }))
    .link(
      new DashboardLinkBuilder('Flotilla')
        .type(DashboardLinkType.Dashboards)
        .tags(['flotilla'])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    );
  for (const each of variables) built.withVariable(variable(each));
  for (const panel of panels) built.withPanel(panel);
  return built;
}
