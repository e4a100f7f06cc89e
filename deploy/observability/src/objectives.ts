import { errorCatalogue } from '@flotilla/contracts';

/** Values of labels. Of several values, each matches. */
export type Matchers = Readonly<Record<string, string | readonly string[]>>;

interface Named {
  /** Value of the label `sli` of recorded series. */
  readonly id: string;
  readonly alert: string;
  /** What the fleet promises, or the value that is bounded. `{bound}` stands for the bound of a duration. */
  readonly title: string;
  /** First sentence of an alert. */
  readonly summary: string;
}

/** An objective for a share of events, or of peers. Alerts on the rate at which its error budget is used up. */
interface Budgeted extends Named {
  /** Share that has to be good, 0 to 1. */
  readonly target: number;
  readonly where?: Matchers;
}

/** Events with an outcome. */
export interface ErrorObjective extends Budgeted {
  readonly kind: 'errors';
  readonly counter: string;
  readonly bad: Matchers;
  /** An example of what is good. */
  readonly good: Matchers;
}

/** Events with a duration. */
export interface LatencyObjective extends Budgeted {
  readonly kind: 'latency';
  readonly histogram: string;
  /** A bucket of the histogram. Not a whole number: Prometheus 3 writes the label `le` of those differently. */
  readonly withinSeconds: number;
}

/** Things in a state, counted by a gauge. */
export interface ShareObjective extends Budgeted {
  readonly kind: 'share';
  readonly gauge: string;
  readonly bad: Matchers;
  readonly good: Matchers;
}

export type BudgetObjective = ErrorObjective | LatencyObjective | ShareObjective;

/** An objective for a value that has an upper bound at all times. */
export interface LevelObjective extends Named {
  readonly kind: 'level';
  /** PromQL, given what selects series: `metric(name, matchers)`. */
  readonly value: (metric: Select) => string;
  readonly above: number;
  readonly unit: 's' | 'ratio' | 'count';
  /** Time for which the value has to be above the bound, a duration of Prometheus. */
  readonly for: string;
  readonly severity: 'page' | 'ticket';
  /** Labels that name what is affected. */
  readonly by: readonly string[];
}

/** Returns a selector of series in the scope of the rules. */
export type Select = (metric: string, matchers?: Matchers) => string;

export type Objective = BudgetObjective | LevelObjective;

/** Codes of failures of the fleet: those that HTTP calls server errors, but for what an operator configured. */
const failures = Object.entries(errorCatalogue)
  .filter(([code, { status }]) => status >= 500 && code !== 'TOKENS_NOT_ISSUED')
  .map(([code]) => code);
/** Failures but for a full fleet, which has an objective of its own. */
const otherFailures = failures.filter((code) => code !== 'NO_CAPACITY');

/** Only processes of Flotilla: others of the same Prometheus may run on Node.js too. */
const ofFlotilla = (value: string, metric: Select): string =>
  `max by (instance, pod) (${value} and on (job, instance) ${metric('process_cpu_limit_cores')})`;

/** The service-level objectives. Rules, dashboards, docs/operations/objectives.md and the tests of the alerts come from this table. */
export const objectives: readonly Objective[] = [
  {
    kind: 'errors',
    id: 'join_success',
    alert: 'FlotillaJoinsFail',
    title: 'Joins succeed',
    summary: 'Joins of rooms fail.',
    counter: 'signaling_messages_total',
    where: { type: 'join' },
    bad: { outcome: failures },
    good: { outcome: 'ok' },
    target: 0.999,
  },
  {
    kind: 'latency',
    id: 'join_time',
    alert: 'FlotillaJoinsSlow',
    title: 'Joins are answered within {bound}, with the parameters of the transports',
    summary: 'Joins of rooms are slow.',
    histogram: 'signaling_join_duration_seconds',
    withinSeconds: 0.5,
    target: 0.95,
  },
  {
    kind: 'latency',
    id: 'first_frame_time',
    alert: 'FlotillaFirstFrameSlow',
    title:
      'The first frame of a room with video is decoded within {bound} of the beginning of the connection, as the SDK of the client measured it',
    summary: 'Those who join wait long for the first picture.',
    histogram: 'signaling_first_frame_seconds',
    withinSeconds: 1.5,
    target: 0.95,
  },
  {
    kind: 'latency',
    id: 'recovery_time',
    alert: 'FlotillaRecoverySlow',
    title:
      'After the loss of a node or worker media arrives again within {bound} of the last packet, as the SDK of the client measured it',
    summary: 'Media comes back late after the loss of nodes or workers.',
    histogram: 'signaling_media_recovery_seconds',
    withinSeconds: 1.5,
    target: 0.95,
  },
  {
    kind: 'errors',
    id: 'request_success',
    alert: 'FlotillaRequestsFail',
    title: 'Requests over signaling succeed',
    summary: 'Requests over signaling fail.',
    counter: 'signaling_messages_total',
    bad: { outcome: failures },
    good: { outcome: 'ok' },
    target: 0.995,
  },
  {
    kind: 'latency',
    id: 'dispatch_time',
    alert: 'FlotillaDispatchSlow',
    title: "Messages reach their recipients on a gateway within {bound} of their receipt by the sender's gateway",
    summary: 'Messages are delivered late.',
    histogram: 'signaling_dispatch_duration_seconds',
    withinSeconds: 0.1,
    target: 0.95,
  },
  {
    kind: 'errors',
    id: 'rest_success',
    alert: 'FlotillaRestFails',
    title: 'REST requests are answered without a status of 500 or above',
    summary: 'Requests of the REST API fail.',
    counter: 'registry_rest_duration_seconds_count',
    bad: { status: '5xx' },
    good: { status: '2xx' },
    target: 0.995,
  },
  {
    kind: 'latency',
    id: 'rest_time',
    alert: 'FlotillaRestSlow',
    title: 'REST requests are answered within {bound}',
    summary: 'The REST API is slow.',
    histogram: 'registry_rest_duration_seconds',
    withinSeconds: 0.8,
    target: 0.95,
  },
  {
    kind: 'errors',
    id: 'migration_success',
    alert: 'FlotillaMigrationsFail',
    title: 'Migrations are committed',
    summary: 'Migrations are rolled back or do not begin. The calls stay where they were.',
    counter: 'registry_migrations_total',
    bad: { outcome: ['rolled_back', 'timed_out', ...otherFailures] },
    good: { outcome: 'committed' },
    target: 0.99,
  },
  {
    kind: 'latency',
    id: 'migration_gap',
    alert: 'FlotillaMigrationGaps',
    title:
      'The longest interval between two rendered frames during a migration, as its client measured it, is at most {bound}',
    summary: 'Migrations interrupt the video of those who are moved.',
    histogram: 'registry_migration_gap_seconds',
    withinSeconds: 0.15,
    target: 0.95,
  },
  {
    kind: 'errors',
    id: 'resume_success',
    alert: 'FlotillaResumesFail',
    title: 'Sessions resume after a lost connection',
    summary: 'Clients that lost their connection cannot resume their sessions.',
    counter: 'signaling_resumes_total',
    bad: { outcome: failures },
    good: { outcome: 'ok' },
    target: 0.995,
  },
  {
    kind: 'share',
    id: 'media_quality',
    alert: 'FlotillaMediaQualityPoor',
    title: 'Peers have media of a quality outside of the group `move`',
    summary: 'Many peers have poor media.',
    gauge: 'sfu_peers',
    bad: { group: 'move' },
    good: { group: 'stable' },
    target: 0.95,
  },
  {
    kind: 'level',
    id: 'media_loss',
    alert: 'FlotillaMediaLoss',
    title: 'Mean packet loss of the peers of a node',
    summary: 'Peers of an SFU node lose packets.',
    value: (metric) => `max by (node) (${metric('sfu_peer_loss_ratio')})`,
    above: 0.05,
    unit: 'ratio',
    for: '10m',
    severity: 'ticket',
    by: ['node'],
  },
  {
    kind: 'level',
    id: 'sfu_worker_cpu',
    alert: 'FlotillaSfuWorkerHot',
    title: 'CPU of the mediasoup worker with the highest load of a node, of one core',
    summary: 'A mediasoup worker uses nearly all of its core.',
    value: (metric) => `max by (node) (${metric('sfu_hottest_worker_load')})`,
    above: 0.9,
    unit: 'ratio',
    for: '5m',
    severity: 'ticket',
    by: ['node'],
  },
  {
    kind: 'level',
    id: 'peers_waiting',
    alert: 'FlotillaNoCapacity',
    title: 'Peers that should move and for which no node has capacity',
    summary: 'Peers should move, and no SFU node has capacity for them.',
    value: (metric) => `max(${metric('autoscaler_peers_waiting')})`,
    above: 0,
    unit: 'count',
    for: '10m',
    severity: 'ticket',
    by: [],
  },
  {
    kind: 'level',
    id: 'scaling_stopped',
    alert: 'FlotillaScalingStopped',
    title: 'No autoscaler scales the SFU pods, although scaling is on',
    summary: 'The number of SFU pods does not follow the load.',
    value: (metric) => `max(${metric('autoscaler_scaling_enabled')}) - max(${metric('autoscaler_scaling_leader')})`,
    above: 0,
    unit: 'count',
    for: '5m',
    severity: 'ticket',
    by: [],
  },
  {
    kind: 'errors',
    id: 'command_success',
    alert: 'FlotillaCommandsFail',
    title: 'Commands between services succeed',
    summary: 'Commands between services fail.',
    counter: 'flotilla_commands_total',
    where: { role: 'caller' },
    bad: { outcome: otherFailures },
    good: { outcome: 'ok' },
    target: 0.995,
  },
  {
    kind: 'latency',
    id: 'command_time',
    alert: 'FlotillaCommandsSlow',
    title: 'Commands between services are answered within {bound}, the time in the queue included',
    summary: 'Commands between services are slow.',
    histogram: 'flotilla_command_duration_seconds',
    where: { role: 'caller' },
    withinSeconds: 0.5,
    target: 0.95,
  },
  {
    kind: 'latency',
    id: 'command_wait_time',
    alert: 'FlotillaCommandsWait',
    title: 'Commands spend at most {bound} outside of their handlers: in queues and on the way',
    summary: 'Commands between services wait in their queues.',
    histogram: 'flotilla_command_wait_seconds',
    withinSeconds: 0.1,
    target: 0.95,
  },
  {
    kind: 'level',
    id: 'command_backlog',
    alert: 'FlotillaCommandBacklog',
    title: 'Commands in the longest queue of a service',
    summary: 'A queue of commands grows faster than its service handles them.',
    value: (metric) => `max by (service) (${metric('flotilla_command_queue_messages')})`,
    above: 5000,
    unit: 'count',
    for: '1m',
    severity: 'ticket',
    by: ['service'],
  },
  {
    kind: 'errors',
    id: 'commands_once',
    alert: 'FlotillaCommandsRepeated',
    title: 'Commands are delivered once, and not answered again from the answers of the last minute',
    summary: 'Many commands between services are delivered again.',
    counter: 'flotilla_command_deliveries_total',
    bad: { repeated: 'true' },
    good: { repeated: 'false' },
    target: 0.95,
  },
  {
    kind: 'errors',
    id: 'tokens_once',
    alert: 'FlotillaTokensReplayed',
    title: 'Connections present tokens that were not used before',
    summary: 'Many connections present used tokens.',
    counter: 'signaling_handshake_duration_seconds_count',
    bad: { outcome: 'TOKEN_REPLAYED' },
    good: { outcome: 'ok' },
    target: 0.95,
  },
  {
    kind: 'level',
    id: 'stream_lag',
    alert: 'FlotillaStreamLag',
    title: 'Entries of an event stream that a process has not received yet, of the stream with the most',
    summary: 'A process is far behind on an event stream.',
    value: (metric) => `max by (instance, pod) (${metric('flotilla_stream_lag_entries')})`,
    above: 2000,
    unit: 'count',
    for: '1m',
    severity: 'ticket',
    by: ['instance', 'pod'],
  },
  {
    kind: 'level',
    id: 'stream_gaps',
    alert: 'FlotillaStreamGaps',
    title: 'Subscriptions to event streams that fell so far behind that entries were trimmed unread, in 15 minutes',
    summary: 'Readers of event streams lag by more entries than a stream keeps.',
    value: (metric) => `sum(increase(${metric('flotilla_stream_gaps_total')}[15m]))`,
    above: 10,
    unit: 'count',
    for: '0m',
    severity: 'ticket',
    by: [],
  },
  {
    kind: 'level',
    id: 'detection_frozen',
    alert: 'FlotillaFailureDetectionFrozen',
    title: 'Every autoscaler gets no heartbeats, so that failures of SFU nodes are not detected',
    summary: 'No heartbeats of SFU nodes arrive. Failures of nodes are not detected.',
    value: (metric) => `min(${metric('autoscaler_frozen')})`,
    above: 0,
    unit: 'count',
    for: '2m',
    severity: 'page',
    by: [],
  },
  {
    kind: 'level',
    id: 'snapshot_misses',
    alert: 'FlotillaSnapshotMisses',
    title: 'Reads of the topology that are not answered from its snapshot at once, of more than 5 a second',
    summary: 'Reads of the topology wait for its snapshot, or get an old one.',
    value: (metric) => {
      const reads = (matchers?: Matchers): string =>
        `sum(rate(${metric('flotilla_snapshot_reads_total', matchers)}[5m]))`;
      // Those who read rarely always wait: the last snapshot is too old.
      return `1 - (${reads({ result: 'hit' })} or vector(0)) / (${reads()} > 5)`;
    },
    above: 0.063,
    unit: 'ratio',
    for: '10m',
    severity: 'ticket',
    by: [],
  },
  {
    kind: 'level',
    id: 'event_loop_delay',
    alert: 'FlotillaEventLoopSlow',
    title:
      'Time between two samples of the event loop of a process (50 ms when it is not late), 99th percentile between two scrapes',
    summary: 'The event loop of a process is late.',
    value: (metric) => ofFlotilla(metric('nodejs_eventloop_lag_p99_seconds'), metric),
    above: 0.15,
    unit: 's',
    for: '10m',
    severity: 'ticket',
    by: ['instance', 'pod'],
  },
  {
    kind: 'level',
    id: 'gc_share',
    alert: 'FlotillaGarbageCollection',
    title: 'Share of the time that a process spends in garbage collection',
    summary: 'A process spends much of its time in garbage collection.',
    value: (metric) => ofFlotilla(`sum without (kind) (rate(${metric('nodejs_gc_duration_seconds_sum')}[5m]))`, metric),
    above: 0.05,
    unit: 'ratio',
    for: '15m',
    severity: 'ticket',
    by: ['instance', 'pod'],
  },
  {
    kind: 'level',
    id: 'sweep_age',
    alert: 'FlotillaSweepDoesNotFinish',
    title: 'Time since the last finished sweep of a registry',
    summary: 'A registry has finished no sweep for 10 minutes.',
    value: (metric) => `max by (instance, pod) (${metric('registry_sweep_age_seconds')})`,
    above: 300,
    unit: 's',
    for: '5m',
    severity: 'ticket',
    by: ['instance', 'pod'],
  },
  {
    kind: 'level',
    id: 'sweep_failures',
    alert: 'FlotillaSweepFails',
    title: 'Failures of a part of the sweep, or of a record in it, in 5 minutes',
    summary: 'A part of the sweep, or a record in it, fails again and again.',
    value: (metric) => `sum by (instance, pod, part) (increase(${metric('registry_sweep_failures_total')}[5m]))`,
    above: 0,
    unit: 'count',
    for: '15m',
    severity: 'ticket',
    by: ['instance', 'pod', 'part'],
  },
  {
    kind: 'level',
    id: 'metrics_missing',
    alert: 'FlotillaMetricsMissing',
    title: 'No gateway is scraped, so that no other alert can fire',
    summary: 'Prometheus scrapes no gateway. Either none runs, or no alert can fire.',
    value: (metric) => `absent(${metric('signaling_active_connections')})`,
    above: 0,
    unit: 'count',
    for: '5m',
    severity: 'page',
    by: [],
  },
];

/** What the indicators leave out. */
export const missingIndicators: readonly { readonly name: string; readonly why: string }[] = [
  {
    name: 'media of clients that do not report it',
    why: 'Only a client sees when a frame is decoded. The SDK reports it (`media_report`), unless its page is hidden; `first_frame_time` and `recovery_time` leave out those who do not. `npm run bench:join` and `deploy/e2e/test/recovery.soak.test.ts` measure both on one machine.',
  },
  {
    name: 'lag of event streams above 4,096 entries',
    why: 'A stream keeps no more. `stream_gaps` counts the readers that were further behind, which read the state instead.',
  },
  {
    name: 'age of commands that are not answered',
    why: 'RabbitMQ does not report the age of the oldest message without its management plugin. `command_wait_time` has those that are answered, `command_backlog` those that wait, and `command_success` those whose caller stopped waiting.',
  },
  {
    name: 'hit ratio of the guard against replayed tokens',
    why: 'Used tokens are kept in Redis and not in a cache of the gateway, so that each connection asks Redis once. `tokens_once` has the share that was used before.',
  },
];

export const budgeted = objectives.filter((each): each is BudgetObjective => each.kind !== 'level');
export const levels = objectives.filter((each): each is LevelObjective => each.kind === 'level');
