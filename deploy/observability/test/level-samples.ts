/** Values of a series at each minute. */
export interface Sample {
  readonly series: string;
  readonly kind: 'gauge' | 'counter';
  /** The value of a gauge, or what a counter gains in a minute. */
  readonly perMinute: number;
}

export interface LevelSamples {
  readonly fault: readonly Sample[];
  /** Near the bound, or like a fault but of something else. */
  readonly noise: readonly Sample[];
  /** Labels of the alert beyond `sli` and `severity`. */
  readonly labels: Readonly<Record<string, string>>;
}

const gauge = (series: string, perMinute: number): Sample => ({ series, kind: 'gauge', perMinute });
const counter = (series: string, perMinute: number): Sample => ({ series, kind: 'counter', perMinute });

const node = { node: 'nd_1' };
const target = { instance: '10.0.0.1:9464', pod: 'sfu-1' };
const targetLabels = 'instance="10.0.0.1:9464",job="flotilla",pod="sfu-1"';
const otherLabels = 'instance="10.0.0.2:80",job="shop",pod="shop-1"';
const ofFlotilla = gauge(`process_cpu_limit_cores{${targetLabels}}`, 2);

/** Series with and without a fault, for each objective on a level. */
export const levelSamples: Readonly<Record<string, LevelSamples>> = {
  media_loss: {
    fault: [gauge('sfu_peer_loss_ratio{node="nd_1"}', 0.08), gauge('sfu_peer_loss_ratio{node="nd_2"}', 0.01)],
    noise: [gauge('sfu_peer_loss_ratio{node="nd_1"}', 0.04)],
    labels: node,
  },
  sfu_worker_cpu: {
    fault: [gauge('sfu_hottest_worker_load{node="nd_1"}', 0.97), gauge('sfu_hottest_worker_load{node="nd_2"}', 0.1)],
    noise: [gauge('sfu_hottest_worker_load{node="nd_1"}', 0.88)],
    labels: node,
  },
  peers_waiting: {
    fault: [gauge('autoscaler_peers_waiting{pod="a"}', 3), gauge('autoscaler_peers_waiting{pod="b"}', 0)],
    noise: [gauge('autoscaler_peers_waiting{pod="a"}', 0)],
    labels: {},
  },
  scaling_stopped: {
    fault: ['a', 'b'].flatMap((pod) => [
      gauge(`autoscaler_scaling_enabled{pod="${pod}"}`, 1),
      gauge(`autoscaler_scaling_leader{pod="${pod}"}`, 0),
    ]),
    noise: [
      gauge('autoscaler_scaling_enabled{pod="a"}', 1),
      gauge('autoscaler_scaling_enabled{pod="b"}', 1),
      gauge('autoscaler_scaling_leader{pod="a"}', 0),
      gauge('autoscaler_scaling_leader{pod="b"}', 1),
    ],
    labels: {},
  },
  command_backlog: {
    fault: [
      gauge('flotilla_command_queue_messages{service="registry",pod="a"}', 7000),
      gauge('flotilla_command_queue_messages{service="sfu",pod="b"}', 3),
    ],
    noise: [gauge('flotilla_command_queue_messages{service="registry",pod="a"}', 3000)],
    labels: { service: 'registry' },
  },
  stream_lag: {
    fault: [gauge(`flotilla_stream_lag_entries{${targetLabels}}`, 3500)],
    noise: [gauge(`flotilla_stream_lag_entries{${targetLabels}}`, 400)],
    labels: target,
  },
  stream_gaps: {
    fault: [counter('flotilla_stream_gaps_total{pod="a"}', 2)],
    noise: [counter('flotilla_stream_gaps_total{pod="a"}', 0.5)],
    labels: {},
  },
  detection_frozen: {
    fault: [gauge('autoscaler_frozen{pod="a"}', 1), gauge('autoscaler_frozen{pod="b"}', 1)],
    noise: [gauge('autoscaler_frozen{pod="a"}', 1), gauge('autoscaler_frozen{pod="b"}', 0)],
    labels: {},
  },
  snapshot_misses: {
    fault: [
      counter('flotilla_snapshot_reads_total{pod="a",result="hit"}', 800),
      counter('flotilla_snapshot_reads_total{pod="a",result="waited"}', 100),
    ],
    // One who reads rarely always waits.
    noise: [counter('flotilla_snapshot_reads_total{pod="b",result="waited"}', 60)],
    labels: {},
  },
  event_loop_delay: {
    fault: [ofFlotilla, gauge(`nodejs_eventloop_lag_p99_seconds{${targetLabels}}`, 0.3)],
    noise: [
      ofFlotilla,
      gauge(`nodejs_eventloop_lag_p99_seconds{${targetLabels}}`, 0.1),
      gauge(`nodejs_eventloop_lag_p99_seconds{${otherLabels}}`, 3),
    ],
    labels: target,
  },
  gc_share: {
    fault: [
      ofFlotilla,
      counter(`nodejs_gc_duration_seconds_sum{${targetLabels},kind="major"}`, 3),
      counter(`nodejs_gc_duration_seconds_sum{${targetLabels},kind="minor"}`, 2),
    ],
    noise: [
      ofFlotilla,
      counter(`nodejs_gc_duration_seconds_sum{${targetLabels},kind="minor"}`, 2),
      counter(`nodejs_gc_duration_seconds_sum{${otherLabels},kind="major"}`, 20),
    ],
    labels: target,
  },
  sweep_age: {
    fault: [gauge(`registry_sweep_age_seconds{${targetLabels}}`, 400)],
    noise: [gauge(`registry_sweep_age_seconds{${targetLabels}}`, 1)],
    labels: target,
  },
  sweep_failures: {
    fault: [counter(`registry_sweep_failures_total{${targetLabels},part="rooms"}`, 60)],
    noise: [counter(`registry_sweep_failures_total{${targetLabels},part="rooms"}`, 0)],
    labels: { ...target, part: 'rooms' },
  },
  metrics_missing: {
    fault: [],
    noise: [gauge('signaling_active_connections{pod="a"}', 0)],
    labels: {},
  },
};
