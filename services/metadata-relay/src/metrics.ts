import { counter, gauge } from '@flotilla/runtime';

export const framesIn = counter({
  name: 'metadata_frames_received_total',
  help: 'Frames from publishers, by where they came from: link, or relay for another relay.',
  labelNames: ['from'],
});
export const bytesIn = counter({ name: 'metadata_received_bytes_total', help: 'Bytes of frames from links.' });
export const framesOut = counter({
  name: 'metadata_frames_sent_total',
  help: 'Frames handed to subscribers, each counted for each of them.',
});
export const bytesOut = counter({ name: 'metadata_sent_bytes_total', help: 'Bytes of frames handed to subscribers.' });
export const framesDropped = counter({
  name: 'metadata_frames_dropped_total',
  help: 'Frames that were not passed on: refused for their form, undeclared, above the rate; or held back from a slow subscriber.',
  labelNames: ['reason'],
});
export const switches = counter({
  name: 'metadata_mode_switches_total',
  help: 'Links whose adaptive topics changed channels, by the new one.',
  labelNames: ['to'],
});
export const holds = counter({
  name: 'metadata_channel_holds_total',
  help: 'Channels to slow subscribers that were held until they had caught up.',
  labelNames: ['channel'],
});
export const links = gauge({ name: 'metadata_links', help: 'Links to clients.', labelNames: ['relay'] });
export const rooms = gauge({ name: 'metadata_rooms', help: 'Rooms with links.', labelNames: ['relay'] });
