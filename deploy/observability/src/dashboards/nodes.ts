import { dashboard, graph, metric, stat } from './kit.ts';

const node = { node: ['$node'] };

export const nodes = dashboard(
  'nodes',
  'SFU nodes',
  'Load and quality of one or several SFU nodes.',
  [
    stat('nodes shown', `count(${metric('sfu_node_info', node)})`),
    stat('sessions', `sum(${metric('sfu_sessions', node)})`),
    stat('hottest worker', `max(${metric('sfu_hottest_worker_load', node)})`, { unit: 'percentunit', above: 0.9 }),
    stat('mean packet loss, worst node', `max(${metric('sfu_peer_loss_ratio', node)})`, {
      unit: 'percentunit',
      above: 0.05,
    }),
    stat('peers to be moved', `sum(${metric('sfu_peers', { ...node, group: 'move' })})`),
    stat('unreachable other nodes', `max(${metric('sfu_unreachable_nodes', node)})`, { above: 1 }),
    graph(
      'CPU, of the cores of the node',
      { '{{node}}': metric('sfu_node_load', node) },
      { unit: 'percentunit', max: 1 },
    ),
    graph(
      'CPU of the hottest worker, of one core',
      { '{{node}}': metric('sfu_hottest_worker_load', node) },
      { unit: 'percentunit', max: 1, above: 0.9 },
    ),
    graph('sessions', { '{{node}}': metric('sfu_sessions', node) }),
    graph('producers, consumers and pipes', { '{{node}} {{kind}}': metric('sfu_streams', node) }),
    graph('RTP packets per second', { '{{node}}': metric('sfu_packets_per_second', node) }, { unit: 'pps' }),
    graph('bits per second', { '{{node}}': metric('sfu_bits_per_second', node) }, { unit: 'bps' }),
    graph('peers by quality', { '{{node}} {{group}}': metric('sfu_peers', node) }),
    graph(
      'mean and worst quality',
      { '{{node}} {{of}}': metric('sfu_peer_quality', node) },
      { unit: 'percentunit', max: 1 },
    ),
    graph(
      'mean packet loss',
      { '{{node}}': metric('sfu_peer_loss_ratio', node) },
      { unit: 'percentunit', above: 0.05 },
    ),
    graph(
      'event loop of the control process, time between two samples (50 ms when it is not late), p99',
      {
        '{{instance}}': `${metric('nodejs_eventloop_lag_p99_seconds')} and on (job, instance) ${metric('sfu_node_info', node)}`,
      },
      { unit: 's', above: 0.15, span: 12 },
    ),
    graph('pipes: lowest estimate divided by what is sent', {
      '{{instance}}': `${metric('sfu_pipe_headroom_ratio')} and on (job, instance) ${metric('sfu_node_info', node)}`,
    }),
    graph('videos paused at tight pipes', {
      '{{instance}}': `${metric('sfu_pipe_paused_videos')} and on (job, instance) ${metric('sfu_node_info', node)}`,
    }),
    graph('videos paused for the bandwidth of subscribers', {
      '{{instance}}': `${metric('sfu_videos_paused_for_bandwidth')} and on (job, instance) ${metric('sfu_node_info', node)}`,
    }),
    graph('unreachable other nodes', { '{{node}}': metric('sfu_unreachable_nodes', node) }, { span: 12 }),
  ],
  [{ name: 'node', of: 'sfu_node_info{namespace=~"$namespace"}', label: 'node' }],
);
