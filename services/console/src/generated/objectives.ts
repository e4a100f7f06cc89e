// Generated from deploy/observability/src/objectives.ts by `npm run generate`.
import type { Objective } from '../operations/view.ts';

export const objectives: readonly Objective[] = [
  {
    "id": "join_success",
    "alert": "FlotillaJoinsFail",
    "title": "Joins succeed",
    "budget": 0.001
  },
  {
    "id": "join_time",
    "alert": "FlotillaJoinsSlow",
    "title": "Joins are answered within 500 ms, with the parameters of the transports",
    "budget": 0.05
  },
  {
    "id": "first_frame_time",
    "alert": "FlotillaFirstFrameSlow",
    "title": "The first frame of a room with video is decoded within 1500 ms of the beginning of the connection, as the SDK of the client measured it",
    "budget": 0.05
  },
  {
    "id": "recovery_time",
    "alert": "FlotillaRecoverySlow",
    "title": "After the loss of a node or worker media arrives again within 1500 ms of the last packet, as the SDK of the client measured it",
    "budget": 0.05
  },
  {
    "id": "request_success",
    "alert": "FlotillaRequestsFail",
    "title": "Requests over signaling succeed",
    "budget": 0.005
  },
  {
    "id": "dispatch_time",
    "alert": "FlotillaDispatchSlow",
    "title": "Messages reach their recipients on a gateway within 100 ms of their receipt by the sender's gateway",
    "budget": 0.05
  },
  {
    "id": "rest_success",
    "alert": "FlotillaRestFails",
    "title": "REST requests are answered without a status of 500 or above",
    "budget": 0.005
  },
  {
    "id": "rest_time",
    "alert": "FlotillaRestSlow",
    "title": "REST requests are answered within 800 ms",
    "budget": 0.05
  },
  {
    "id": "migration_success",
    "alert": "FlotillaMigrationsFail",
    "title": "Migrations are committed",
    "budget": 0.01
  },
  {
    "id": "migration_gap",
    "alert": "FlotillaMigrationGaps",
    "title": "The longest interval between two rendered frames during a migration, as its client measured it, is at most 150 ms",
    "budget": 0.05
  },
  {
    "id": "resume_success",
    "alert": "FlotillaResumesFail",
    "title": "Sessions resume after a lost connection",
    "budget": 0.005
  },
  {
    "id": "media_quality",
    "alert": "FlotillaMediaQualityPoor",
    "title": "Peers have media of a quality outside of the group `move`",
    "budget": 0.05
  },
  {
    "id": "media_loss",
    "alert": "FlotillaMediaLoss",
    "title": "Mean packet loss of the peers of a node",
    "above": 0.05,
    "unit": "ratio"
  },
  {
    "id": "sfu_worker_cpu",
    "alert": "FlotillaSfuWorkerHot",
    "title": "CPU of the mediasoup worker with the highest load of a node, of one core",
    "above": 0.9,
    "unit": "ratio"
  },
  {
    "id": "peers_waiting",
    "alert": "FlotillaNoCapacity",
    "title": "Peers that should move and for which no node has capacity",
    "above": 0,
    "unit": "count"
  },
  {
    "id": "scaling_stopped",
    "alert": "FlotillaScalingStopped",
    "title": "No autoscaler scales the SFU pods, although scaling is on",
    "above": 0,
    "unit": "count"
  },
  {
    "id": "command_success",
    "alert": "FlotillaCommandsFail",
    "title": "Commands between services succeed",
    "budget": 0.005
  },
  {
    "id": "command_time",
    "alert": "FlotillaCommandsSlow",
    "title": "Commands between services are answered within 500 ms, the time in the queue included",
    "budget": 0.05
  },
  {
    "id": "command_wait_time",
    "alert": "FlotillaCommandsWait",
    "title": "Commands spend at most 100 ms outside of their handlers: in queues and on the way",
    "budget": 0.05
  },
  {
    "id": "command_backlog",
    "alert": "FlotillaCommandBacklog",
    "title": "Commands in the longest queue of a service",
    "above": 5000,
    "unit": "count"
  },
  {
    "id": "commands_once",
    "alert": "FlotillaCommandsRepeated",
    "title": "Commands are delivered once, and not answered again from the answers of the last minute",
    "budget": 0.05
  },
  {
    "id": "tokens_once",
    "alert": "FlotillaTokensReplayed",
    "title": "Connections present tokens that were not used before",
    "budget": 0.05
  },
  {
    "id": "stream_lag",
    "alert": "FlotillaStreamLag",
    "title": "Entries of an event stream that a process has not received yet, of the stream with the most",
    "above": 2000,
    "unit": "count"
  },
  {
    "id": "stream_gaps",
    "alert": "FlotillaStreamGaps",
    "title": "Subscriptions to event streams that fell so far behind that entries were trimmed unread, in 15 minutes",
    "above": 10,
    "unit": "count"
  },
  {
    "id": "detection_frozen",
    "alert": "FlotillaFailureDetectionFrozen",
    "title": "Every autoscaler gets no heartbeats, so that failures of SFU nodes are not detected",
    "above": 0,
    "unit": "count"
  },
  {
    "id": "snapshot_misses",
    "alert": "FlotillaSnapshotMisses",
    "title": "Reads of the topology that are not answered from its snapshot at once, of more than 5 a second",
    "above": 0.063,
    "unit": "ratio"
  },
  {
    "id": "event_loop_delay",
    "alert": "FlotillaEventLoopSlow",
    "title": "Time between two samples of the event loop of a process (50 ms when it is not late), 99th percentile between two scrapes",
    "above": 0.15,
    "unit": "s"
  },
  {
    "id": "gc_share",
    "alert": "FlotillaGarbageCollection",
    "title": "Share of the time that a process spends in garbage collection",
    "above": 0.05,
    "unit": "ratio"
  },
  {
    "id": "sweep_age",
    "alert": "FlotillaSweepDoesNotFinish",
    "title": "Time since the last finished sweep of a registry",
    "above": 300,
    "unit": "s"
  },
  {
    "id": "sweep_failures",
    "alert": "FlotillaSweepFails",
    "title": "Failures of a part of the sweep, or of a record in it, in 5 minutes",
    "above": 0,
    "unit": "count"
  },
  {
    "id": "metrics_missing",
    "alert": "FlotillaMetricsMissing",
    "title": "No gateway is scraped, so that no other alert can fire",
    "above": 0,
    "unit": "count"
  }
];
