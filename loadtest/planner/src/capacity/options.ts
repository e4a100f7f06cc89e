import { flag, number, oneOf, readOptions } from '@flotilla/loadtest-kit';
import { type Demand, type Layout, layouts } from './model.ts';

const about = `How many nodes, pods, cores and bits a fleet needs, from measured unit costs (docs/scale.md): what is measured, what is
extrapolated, and which part is the first to reach its limit. Without --participants: for 10 thousand to 10 million.`;

const table = {
  participants: number('participants at the busiest time; 0: a row for each order of magnitude', 0, 0, 100_000_000),
  'room-size': number('participants of a room', 10, 2, 100_000),
  layout: oneOf('default: gallery', layouts),
  publishers: number('publishers of a webinar', 2, 1, 100),
  visible: number('streams of each kind that a participant receives at most', 24, 1, 200),
  'video-kbps': number('received video, kbit/s; 0: 300 in a gallery, 1,500 in a webinar', 0, 0, 20_000),
  'uplink-kbps': number('video that a publisher sends, all layers, kbit/s', 1800, 1, 50_000),
  'audio-kbps': number('audio stream, kbit/s', 40, 6, 510),
  'stay-minutes': number('mean time that a participant stays, minutes', 40, 1, 10_000),
  'messages-per-minute': number('messages of a room per minute', 12, 0, 100_000),
  cores: number('cores of an SFU node', 16, 2, 256),
  gbps: number('network interface of an SFU node, Gbit/s', 10, 1, 400),
  'consumers-per-worker': number('streams of subscribers on a media worker', 500, 1, 1_000_000),
  'workers-per-room': number('media workers of a node that one room uses, 0 for all', 0, 0, 256),
  'pipe-fan-out': number('pipes of a stream from one node, 0 for no tree', 0, 0, 1000),
  json: flag('print JSON'),
};

/** kbit/s of a received video: small tiles, one large picture, none. */
const usualVideoKbps: Readonly<Record<Layout, number>> = { gallery: 300, webinar: 1500, audio: 0 };

/** Reads the command line. */
export function capacityOptions(): { readonly demand: Demand; readonly json: boolean } {
  const values = readOptions('plan', about, table);
  const layout = values.layout ?? 'gallery';
  const demand = {
    participants: values.participants,
    roomSize: values['room-size'],
    layout,
    publishers: values.publishers,
    visible: values.visible,
    videoKbps: values['video-kbps'] || usualVideoKbps[layout],
    uplinkKbps: values['uplink-kbps'],
    audioKbps: values['audio-kbps'],
    stayMinutes: values['stay-minutes'],
    messages: values['messages-per-minute'] / 60,
    cores: values.cores,
    gbps: values.gbps,
    consumersPerWorker: values['consumers-per-worker'],
    workersPerRoom: values['workers-per-room'] || values.cores - 1,
    pipeFanOut: values['pipe-fan-out'],
  };
  return { demand, json: values.json };
}
