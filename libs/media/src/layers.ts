import type { Layers } from '@flotilla/contracts';
import type { Consumer, ConsumerLayers } from 'mediasoup/types';

/** When layers are shared out anew after a subscription began or went on; ms. */
const shareOutMs = [100, 250, 500, 800, 1300, 2000, 3000, 4500] as const;
/** A stream that is dark by then is asked for a key frame each time: mediasoup asks twice, a second apart, and then no more. */
const darkMs = 500;

/**
 * The layers of what one transport sends. mediasoup shares a transport's bit rate out among its consumers by what their layers
 * bring at that moment, and then not for a second (3.27.1, TransportCongestionControlClient): a layer of which nothing has come
 * yet is left out so long. A new stream would be dark for that second, and jerk along at its lowest frame rate for another. So
 * it is made to share out anew while streams begin.
 */
export class LayerShare {
  /** What the client wants of a consumer at most; all there is, if it did not say. */
  readonly #wanted = new WeakMap<Consumer, ConsumerLayers>();
  #timer: NodeJS.Timeout | undefined;
  #step = 0;

  /** `consumers`: those of the transport. */
  constructor(private readonly consumers: () => Iterable<Consumer>) {}

  /** A subscription was made. */
  begin(consumer: Consumer): void {
    if (!consumer.paused) this.changed();
    consumer.on('producerresume', () => this.changed());
    const { preferredLayers } = consumer;
    if (!preferredLayers) return;
    this.#wanted.set(consumer, preferredLayers);
    if (!beginsLowest(consumer)) return;
    const settle = (): void => {
      if (!consumer.closed) consumer.setPreferredLayers(this.#layersFor(consumer)!).catch(() => undefined);
    };
    consumer.on('layerschange', settle);
    settle();
  }

  /** The client wants so much of a consumer at most. */
  async prefer(consumer: Consumer, { spatial, temporal }: Layers): Promise<void> {
    this.#wanted.set(consumer, {
      spatialLayer: spatial,
      ...(temporal !== undefined && { temporalLayer: temporal }),
    });
    await consumer.setPreferredLayers(this.#layersFor(consumer)!);
  }

  /** What a consumer may have now, at most. Undefined: it has no layers. */
  #layersFor(consumer: Consumer): ConsumerLayers | undefined {
    if (beginsLowest(consumer) && !consumer.currentLayers) return { spatialLayer: 0, temporalLayer: 0 };
    return this.#wanted.get(consumer);
  }

  /** A subscription began or went on. */
  changed(): void {
    this.#step = 0;
    clearTimeout(this.#timer);
    this.#schedule();
  }

  #schedule(): void {
    const ms = shareOutMs[this.#step];
    if (ms === undefined) return;
    const before = shareOutMs[this.#step - 1] ?? 0;
    this.#step++;
    this.#timer = setTimeout(() => {
      this.#shareOut();
      if (ms >= darkMs) this.#lightUp();
      this.#schedule();
    }, ms - before);
    this.#timer.unref();
  }

  *#active(): Iterable<Consumer> {
    for (const consumer of this.consumers()) {
      const { closed, paused, producerPaused, type } = consumer;
      if (!closed && !paused && !producerPaused && type !== 'simple') yield consumer;
    }
  }

  #lightUp(): void {
    for (const consumer of this.#active())
      if (consumer.currentLayers === undefined) consumer.requestKeyFrame().catch(() => undefined);
  }

  /** One that does not get what it wants is enough: the bit rate is that of all. */
  #shareOut(): void {
    for (const consumer of this.#active()) {
      const { currentLayers } = consumer;
      const layers = this.#layersFor(consumer);
      if (!layers) continue;
      if (layers.spatialLayer === currentLayers?.spatialLayer && layers.temporalLayer === currentLayers.temporalLayer)
        continue;
      // A preference that changes is the one thing that makes it share out: there and back, in one go.
      for (const preferred of [besides(layers), layers]) consumer.setPreferredLayers(preferred).catch(() => undefined);
      return;
    }
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

/**
 * VP8 in one stream with temporal layers. mediasoup (3.27.1, RTP/Codecs/VP8.cpp) drops its key frame, which is of the lowest layer,
 * while a higher one is the target and none is current: it would begin with a picture of the highest layer, if one comes in
 * time, and nothing that can be decoded before the next key frame. So it is told to begin with the lowest, and to go up from
 * there. Simulcast has no such trouble.
 */
const beginsLowest = ({ type, rtpParameters }: Consumer): boolean =>
  type === 'svc' && rtpParameters.codecs[0]?.mimeType.toLowerCase() === 'video/vp8';

/** Others, as near as can be. */
function besides({ spatialLayer, temporalLayer }: ConsumerLayers): ConsumerLayers {
  if (temporalLayer !== undefined && temporalLayer > 0) return { spatialLayer, temporalLayer: temporalLayer - 1 };
  if (temporalLayer === undefined) return { spatialLayer, temporalLayer: 0 };
  return spatialLayer > 0 ? { spatialLayer: spatialLayer - 1, temporalLayer } : { spatialLayer, temporalLayer: 1 };
}
