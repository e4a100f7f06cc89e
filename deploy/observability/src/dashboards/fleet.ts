import { budgeted } from '../objectives.ts';
import { budgetOf, recorded } from '../rules.ts';
import { dashboard, graph, metric, quantile, rate, stat } from './kit.ts';

/** How fast each objective's error budget is used up: 1 uses it up in exactly 30 days. */
const burns = (window: string): Record<string, string> =>
  Object.fromEntries(
    budgeted.map((objective) => [
      objective.id,
      `max(${metric(recorded.ratio(window), { sli: objective.id })}) / ${budgetOf(objective)}`,
    ]),
  );

export const fleet = dashboard('fleet', 'fleet', 'Objectives, sessions and load of the whole fleet.', [
  stat('connections', `sum(${metric('signaling_active_connections')})`),
  stat('sessions with media', `sum(${metric('sfu_sessions')})`),
  stat('SFU nodes', `count(${metric('sfu_node_info')})`),
  stat('nodes wanted', `max(${metric('autoscaler_nodes_wanted')})`),
  stat('peers without a node', `max(${metric('autoscaler_peers_waiting')})`, { above: 1 }),
  stat('overload level', `max(${metric('signaling_overload_level')})`, { above: 1 }),
  graph('burn rate of error budgets, 1 h', burns('1h'), {
    description: 'Above 1 the budget of 30 days does not last 30 days. A page fires at 14.4.',
    above: 14.4,
    span: 12,
  }),
  graph('burn rate of error budgets, 3 d', burns('3d'), { above: 1, span: 12 }),
  graph(
    'time of a join',
    { p50: quantile(0.5, 'signaling_join_duration_seconds'), p95: quantile(0.95, 'signaling_join_duration_seconds') },
    { unit: 's', above: 0.5 },
  ),
  graph(
    'first frame after a join, as clients measured it',
    { p50: quantile(0.5, 'signaling_first_frame_seconds'), p95: quantile(0.95, 'signaling_first_frame_seconds') },
    { unit: 's', above: 1.5 },
  ),
  graph(
    'media back after a loss, as clients measured it',
    { p50: quantile(0.5, 'signaling_media_recovery_seconds'), p95: quantile(0.95, 'signaling_media_recovery_seconds') },
    { unit: 's', above: 1.5 },
  ),
  graph('connections by outcome of the handshake', {
    '{{outcome}}': `sum by (outcome) (${rate('signaling_handshake_duration_seconds_count')})`,
  }),
  graph(
    'dispatch, p95 by kind of address',
    { '{{to}}': quantile(0.95, 'signaling_dispatch_duration_seconds', {}, ['to']) },
    { unit: 's', above: 0.1 },
  ),
  graph(
    'REST, p95 by class of the status',
    { '{{status}}': quantile(0.95, 'registry_rest_duration_seconds', {}, ['status']) },
    { unit: 's', above: 0.8 },
  ),
  graph('refused or failed requests per second', {
    '{{outcome}}': `sum by (outcome) (${rate('signaling_messages_total')}) unless on (outcome) sum by (outcome) (${rate('signaling_messages_total', { outcome: 'ok' })})`,
  }),
  graph(
    'CPU of the node with the highest load',
    {
      node: `max(${metric('sfu_node_load')})`,
      worker: `max(${metric('sfu_hottest_worker_load')})`,
    },
    { unit: 'percentunit', max: 1, above: 0.9 },
  ),
  graph('peers by quality', { '{{group}}': `sum by (group) (${metric('sfu_peers')})` }),
  graph('connections by gateway', { '{{instance}}': metric('signaling_active_connections') }),
  graph('connections that ended per second', {
    '{{event}}': `sum by (event) (${rate('signaling_connections_ended_total')})`,
  }),
  graph('changes of the number of SFU pods', {
    '{{direction}}': `sum by (direction) (increase(${metric('autoscaler_scalings_total')}[$__rate_interval]))`,
  }),
]);
