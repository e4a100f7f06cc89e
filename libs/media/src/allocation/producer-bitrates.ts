import type { Producer, RtpStreamRecvStats } from 'mediasoup/types';

/** Bit rates of a spatial layer, bit/s, for each temporal layer with those below it. 0: nothing is sent. */
export type TemporalBitrates = readonly number[];

/** Time for which a measurement is used, in milliseconds. */
const maxAgeMs = 900;
/** Weight of a new measurement: bit rates of videos vary from second to second. */
const weightOfNew = 0.5;

interface Entry {
  atMs: number;
  layers: readonly TemporalBitrates[];
  pending: Promise<readonly TemporalBitrates[]> | undefined;
}

/**
 * The bit rates of the layers of producers: of each producer one request to its worker per period, however many subscribers ask, and none
 * while nobody does.
 */
export class ProducerBitrates {
  readonly #entries = new WeakMap<Producer, Entry>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** By spatial layer, the lowest first. Empty after the producer is closed. */
  of(producer: Producer): Promise<readonly TemporalBitrates[]> {
    let entry = this.#entries.get(producer);
    if (!entry) this.#entries.set(producer, (entry = { atMs: -Infinity, layers: [], pending: undefined }));
    const known = entry;
    if (this.now() - known.atMs < maxAgeMs) return Promise.resolve(known.layers);
    known.pending ??= this.#measure(producer, known).finally(() => (known.pending = undefined));
    return known.pending;
  }

  async #measure(producer: Producer, entry: Entry): Promise<readonly TemporalBitrates[]> {
    const stats = await producer.getStats().catch(() => []);
    const before = entry.layers;
    const smooth = (now: number, last: number | undefined): number =>
      last === undefined || last === 0 || now === 0 ? now : Math.round(last + weightOfNew * (now - last));
    entry.layers = layersOf(producer, stats).map((temporals, spatial) =>
      temporals.map((bps, temporal) => smooth(bps, before[spatial]?.[temporal])),
    );
    entry.atMs = this.now();
    return entry.layers;
  }
}

/** Of all nodes in this process. */
export const producerBitrates = new ProducerBitrates();

function layersOf(
  { type, rtpParameters }: Producer,
  stats: readonly RtpStreamRecvStats[],
): readonly TemporalBitrates[] {
  const streams = stats.filter((stat) => stat.type === 'inbound-rtp');
  if (type !== 'simulcast') {
    const [stream] = streams;
    const layers: number[][] = [];
    for (const [key, bps] of Object.entries(stream?.bitrateByLayer ?? {})) {
      const [spatial = 0, temporal = 0] = key.split('.').map(Number);
      (layers[spatial] ??= [])[temporal] = bps;
    }
    return layers.length > 0 ? Array.from(layers, ofTemporals) : [[stream?.bitrate ?? 0]];
  }
  return (rtpParameters.encodings ?? []).map(({ ssrc, rid }) => {
    const stream = streams.find((each) => (rid === undefined ? each.ssrc === ssrc : each.rid === rid));
    const temporals: number[] = [];
    for (const [key, bps] of Object.entries(stream?.bitrateByLayer ?? {})) temporals[Number(key.split('.')[1])] = bps;
    return temporals.length > 0 ? ofTemporals(temporals) : [stream?.bitrate ?? 0];
  });
}

/** Without gaps, and never less than below. */
function ofTemporals(bitrates: readonly (number | undefined)[] = []): TemporalBitrates {
  let highest = 0;
  return Array.from(bitrates, (bps = 0) => (highest = Math.max(highest, bps)));
}
