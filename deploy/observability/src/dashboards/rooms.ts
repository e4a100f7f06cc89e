import { dashboard, graph, metric, quantile, rate, stat } from './kit.ts';

/** No metric has a label for the room: there are as many rooms as calls. The console shows one room. */
export const rooms = dashboard(
  'rooms',
  'rooms',
  'What happens in rooms, over all of them. Metrics have no label for the room; one room is in the console at /topology, and its joins are traces.',
  [
    stat('participants with media', `sum(${metric('sfu_sessions')})`),
    stat('producers', `sum(${metric('sfu_streams', { kind: 'producers' })})`),
    stat('consumers', `sum(${metric('sfu_streams', { kind: 'consumers' })})`),
    stat('rooms with metadata', `sum(${metric('metadata_rooms')})`, {
      description: 'A room is counted once for each relay that it has links to.',
    }),
    stat('mean quality', `avg(${metric('sfu_peer_quality', { of: 'mean' })})`, { unit: 'percentunit' }),
    stat('worst quality', `min(${metric('sfu_peer_quality', { of: 'worst' })})`, { unit: 'percentunit' }),
    graph('requests per second', {
      '{{type}}': `sum by (type) (${rate('signaling_messages_total', { type: ['join', 'leave', 'open_media', 'publish', 'subscribe', 'message'] })})`,
    }),
    graph('joins per second by outcome', {
      '{{outcome}}': `sum by (outcome) (${rate('signaling_messages_total', { type: 'join' })})`,
    }),
    graph(
      'messages to rooms, time of dispatch',
      {
        p50: quantile(0.5, 'signaling_dispatch_duration_seconds', { to: 'room' }),
        p95: quantile(0.95, 'signaling_dispatch_duration_seconds', { to: 'room' }),
      },
      { unit: 's', above: 0.1 },
    ),
    graph('resumed sessions per second by outcome', {
      '{{outcome}}': `sum by (outcome) (${rate('signaling_resumes_total')})`,
    }),
    graph('metadata frames per second', {
      received: `sum(${rate('metadata_frames_received_total')})`,
      sent: `sum(${rate('metadata_frames_sent_total')})`,
    }),
    graph('metadata frames dropped per second', {
      '{{reason}}': `sum by (reason) (${rate('metadata_frames_dropped_total')})`,
    }),
  ],
);
