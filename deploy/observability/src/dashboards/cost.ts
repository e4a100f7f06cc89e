import { dashboard, graph, metric, rate, stat } from './kit.ts';

/** Joined, so that other Node.js programs of the same Prometheus are left out. */
const ofFlotilla = (value: string): string => `${value} and on (job, instance) ${metric('process_cpu_limit_cores')}`;
const cores = ofFlotilla(rate('process_cpu_seconds_total'));
const bits = `sum(${metric('sfu_bits_per_second')})`;

export const cost = dashboard(
  'cost',
  'cost',
  'What the fleet uses, for each of its sessions. CPU of SFU nodes includes their workers; prices are those of your provider.',
  [
    stat('SFU pods', `max(${metric('autoscaler_replicas')})`),
    stat('sessions for each node', `sum(${metric('sfu_sessions')}) / count(${metric('sfu_node_info')})`),
    stat('media in and out', bits, { unit: 'bps' }),
    stat('bits per second for each session', `${bits} / (sum(${metric('sfu_sessions')}) > 0)`, { unit: 'bps' }),
    stat('cores, without media workers', `sum(${cores})`),
    stat('memory', `sum(${ofFlotilla(metric('process_resident_memory_bytes'))})`, { unit: 'bytes' }),
    graph('SFU nodes: wanted, running', {
      wanted: `max(${metric('autoscaler_nodes_wanted')})`,
      replicas: `max(${metric('autoscaler_replicas')})`,
      running: `count(${metric('sfu_node_info')})`,
    }),
    graph(
      'CPU of SFU nodes, of their cores',
      { mean: `avg(${metric('sfu_node_load')})`, highest: `max(${metric('sfu_node_load')})` },
      { unit: 'percentunit', max: 1 },
    ),
    graph('sessions of SFU nodes', {
      mean: `avg(${metric('sfu_sessions')})`,
      highest: `max(${metric('sfu_sessions')})`,
    }),
    graph('cores used by processes, without media workers', { '{{job}}': `sum by (job) (${cores})` }),
    graph(
      'memory of processes',
      { '{{job}}': `sum by (job) (${ofFlotilla(metric('process_resident_memory_bytes'))})` },
      { unit: 'bytes' },
    ),
    graph(
      'media in 1 h',
      { bytes: `sum(avg_over_time(${metric('sfu_bits_per_second')}[1h])) * 3600 / 8` },
      { unit: 'bytes' },
    ),
    graph('new sessions per second', { growth: `max(${metric('autoscaler_sessions_growth')})` }),
    graph('metadata sent', { bytes: `sum(${rate('metadata_sent_bytes_total')})` }, { unit: 'Bps' }),
    graph('connections for each core of gateways', {
      '{{instance}}': `${metric('signaling_active_connections')} / on (job, instance) (${rate('process_cpu_seconds_total')} > 0)`,
    }),
  ],
);
