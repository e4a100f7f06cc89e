import { counter, gauge } from '@flotilla/runtime';

export const framesIn = counter({
  name: 'metadata_frames_received_total',
  help: 'Frames received, by origin: link for a client, relay for another relay.',
  labelNames: ['from'],
});
export const bytesIn = counter({
  name: 'metadata_received_bytes_total',
  help: 'Bytes of frames received from clients.',
});
export const framesOut = counter({
  name: 'metadata_frames_sent_total',
  help: 'Frames sent to subscribers, counted once per subscriber.',
});
export const bytesOut = counter({ name: 'metadata_sent_bytes_total', help: 'Bytes of frames sent to subscribers.' });
export const framesDropped = counter({
  name: 'metadata_frames_dropped_total',
  help: 'Frames not forwarded, by reason: malformed, direction, too-large, undeclared, barred (their publisher may publish no more), topics (of another relay, at the limit of the room), rate (of the client), room_rate or slow_subscriber.',
  labelNames: ['reason'],
});
export const evictions = counter({
  name: 'metadata_retained_evictions_total',
  help: 'Retained values of publishers that have left or are reconnecting, deleted at a limit of their user or their room.',
});
export const refusals = counter({
  name: 'metadata_retained_refused_total',
  help: 'Messages that were not retained, by reason: user or room (whose limit was reached), or size (of the message). Each relay that has the room counts them.',
  labelNames: ['reason'],
});
export const switches = counter({
  name: 'metadata_mode_switches_total',
  help: 'Switches of the adaptive topics of a link to another channel, by the new channel.',
  labelNames: ['to'],
});
export const pauses = counter({
  name: 'metadata_channel_pauses_total',
  help: 'Pauses of a channel to a slow subscriber until its buffer had drained.',
  labelNames: ['channel'],
});
export const links = gauge({ name: 'metadata_links', help: 'Client links.', labelNames: ['relay'] });
export const rooms = gauge({ name: 'metadata_rooms', help: 'Rooms with at least one link.', labelNames: ['relay'] });
