import { dashboard, graph, metric, quantile, rate, stat } from './kit.ts';

const perHour = (name: string): string => `sum(increase(${metric(name)}[1h]))`;

export const migrations = dashboard(
  'migrations',
  'migrations',
  'Migrations of peers between SFU nodes, planned and executed.',
  [
    stat('migrations in 1 h', perHour('registry_migrations_total')),
    stat(
      'not committed in 1 h',
      `sum(increase(${metric('registry_migrations_total', { outcome: ['rolled_back', 'timed_out'] })}[1h]))`,
    ),
    stat(
      'gap in 1 h, p95',
      `histogram_quantile(0.95, sum by (le) (increase(${metric('registry_migration_gap_seconds_bucket')}[1h])))`,
      {
        unit: 's',
        above: 0.15,
      },
    ),
    stat('peers without a node', `max(${metric('autoscaler_peers_waiting')})`, { above: 1 }),
    stat('lost nodes', `max(${metric('autoscaler_nodes_lost')})`, { above: 1 }),
    stat('detection frozen', `max(${metric('autoscaler_frozen')})`, { above: 1 }),
    graph('migrations per second by outcome', {
      '{{outcome}}': `sum by (outcome) (${rate('registry_migrations_total')})`,
    }),
    graph('migrations per second by reason', {
      '{{reason}}': `sum by (reason) (${rate('registry_migrations_total')})`,
    }),
    graph('planned per second by reason', { '{{reason}}': `sum by (reason) (${rate('autoscaler_plans_total')})` }),
    graph(
      'longest interval between rendered frames',
      { p50: quantile(0.5, 'registry_migration_gap_seconds'), p95: quantile(0.95, 'registry_migration_gap_seconds') },
      { unit: 's', above: 0.15 },
    ),
    graph(
      'duration up to the commit',
      {
        p50: quantile(0.5, 'registry_migration_duration_seconds'),
        p95: quantile(0.95, 'registry_migration_duration_seconds'),
      },
      { unit: 's' },
    ),
    graph('planner: time of a decision', { p95: quantile(0.95, 'autoscaler_decision_seconds') }, { unit: 's' }),
    graph('requested by the autoscaler, by outcome', {
      '{{outcome}}': `sum by (outcome) (${rate('autoscaler_migrations_total')})`,
    }),
    graph('drills', {
      '{{kind}} {{outcome}}': `sum by (kind, outcome) (increase(${metric('registry_drills_total')}[$__rate_interval]))`,
    }),
    graph('instances that lead', {
      planning: `sum(${metric('autoscaler_leader')})`,
      scaling: `sum(${metric('autoscaler_scaling_leader')})`,
    }),
  ],
);
