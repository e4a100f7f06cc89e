import { dashboard, graph, metric, quantile, rate, stat } from './kit.ts';

const duration = 'flotilla_command_duration_seconds';

export const brokers = dashboard(
  'brokers',
  'brokers',
  'Redis and RabbitMQ as the services see them: commands, event streams and what repairs their state.',
  [
    stat('commands per second', `sum(${rate('flotilla_commands_total', { role: 'caller' })})`),
    stat('stream gaps in 1 h', `sum(increase(${metric('flotilla_stream_gaps_total')}[1h]))`, { above: 1 }),
    stat('age of the last sweep', `max(${metric('registry_sweep_age_seconds')})`, { unit: 's', above: 300 }),
    stat('failures of sweeps in 1 h', `sum(increase(${metric('registry_sweep_failures_total')}[1h]))`, { above: 1 }),
    stat('detection frozen', `max(${metric('autoscaler_frozen')})`, { above: 1 }),
    stat('largest clock offset', `max(abs(${metric('flotilla_clock_offset_seconds')}))`, { unit: 's' }),
    graph(
      'time of a command at its caller, p95',
      { '{{type}}': quantile(0.95, duration, { role: 'caller' }, ['type']) },
      { unit: 's', above: 0.5 },
    ),
    graph(
      'time of a command in its handler, p95',
      { '{{type}}': quantile(0.95, duration, { role: 'handler' }, ['type']) },
      { unit: 's' },
    ),
    graph(
      'time on the way and in the queue, p95',
      { '{{type}}': quantile(0.95, 'flotilla_command_wait_seconds', {}, ['type']) },
      { unit: 's', above: 0.1 },
    ),
    graph(
      'commands in the longest queue of a service',
      { '{{service}}': `max by (service) (${metric('flotilla_command_queue_messages')})` },
      { above: 5000 },
    ),
    graph('repeated deliveries of commands per second', {
      '{{instance}}': `sum by (instance) (${rate('flotilla_command_deliveries_total', { repeated: 'true' })})`,
    }),
    graph(
      'lag of event streams in entries, of the stream with the most',
      { '{{instance}}': metric('flotilla_stream_lag_entries') },
      { above: 2000 },
    ),
    graph('commands per second by type', {
      '{{type}}': `sum by (type) (${rate('flotilla_commands_total', { role: 'caller' })})`,
    }),
    graph('failed commands per second', {
      '{{outcome}}': `sum by (outcome) (${rate('flotilla_commands_total', { role: 'caller' })}) unless on (outcome) sum by (outcome) (${rate('flotilla_commands_total', { role: 'caller', outcome: 'ok' })})`,
    }),
    graph('breakers that are not closed', {
      '{{kind}} {{state}}': `sum by (kind, state) (${metric('flotilla_breakers')})`,
    }),
    graph('calls refused per second', {
      '{{kind}} {{reason}}': `sum by (kind, reason) (${rate('flotilla_calls_rejected_total')})`,
    }),
    graph('retries per second', {
      '{{kind}} {{outcome}}': `sum by (kind, outcome) (${rate('flotilla_retries_total')})`,
    }),
    graph('snapshots: share of reads that are served at once', {
      '{{snapshot}}': `sum by (snapshot) (${rate('flotilla_snapshot_reads_total', { result: 'hit' })}) / sum by (snapshot) (${rate('flotilla_snapshot_reads_total')})`,
    }),
    graph('stream gaps', {
      '{{instance}}': `sum by (instance) (increase(${metric('flotilla_stream_gaps_total')}[$__rate_interval]))`,
    }),
    graph(
      'dispatch over event streams, p95',
      { '{{to}}': quantile(0.95, 'signaling_dispatch_duration_seconds', {}, ['to']) },
      { unit: 's' },
    ),
    graph('records removed by sweeps', { '{{what}}': `sum by (what) (${rate('registry_swept_total')})` }),
    graph('failures of sweeps', { '{{part}}': `sum by (part) (${rate('registry_sweep_failures_total')})` }),
  ],
);
