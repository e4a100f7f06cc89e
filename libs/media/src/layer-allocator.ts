import type { Layers } from '@flotilla/contracts';
import type { Consumer, ConsumerLayers } from 'mediasoup/types';

/** When layers are allocated after a subscription started or resumed, in milliseconds. */
const allocateAtMs = [100, 250, 500, 800, 1300, 2000, 3000, 4500] as const;
/** From then on, a stream without layers gets a key frame request each time: mediasoup sends two, a second apart, and no more. */
const requestKeyFrameFromMs = 500;

/**
 * Allocates the layers of the consumers of one transport. mediasoup (3.27.1, TransportCongestionControlClient) allocates a
 * transport's bit rate by the bit rates that its consumers' layers have at that moment, and then not for a second; a layer
 * without packets yet is left out. A new stream would show nothing for that second, and its lowest frame rate for another.
 * This class makes mediasoup allocate more often while streams start.
 */
export class LayerAllocator {
  /** The highest layers that the client accepts. A consumer without an entry gets all. */
  readonly #maximum = new WeakMap<Consumer, ConsumerLayers>();
  #timer: NodeJS.Timeout | undefined;
  #step = 0;

  /** @param consumers those of the transport. */
  constructor(private readonly consumers: () => Iterable<Consumer>) {}

  /** A consumer was created. */
  add(consumer: Consumer): void {
    if (!consumer.paused) this.reallocate();
    consumer.on('producerresume', () => this.reallocate());
    const { preferredLayers } = consumer;
    if (!preferredLayers) return;
    this.#maximum.set(consumer, preferredLayers);
    if (!startsAtLowest(consumer)) return;
    let hadLayers = false;
    const apply = (): void => {
      if (consumer.closed) return;
      consumer.setPreferredLayers(this.#layersOf(consumer)!).catch(() => undefined);
      const { currentLayers } = consumer;
      // It began above the lowest layer: its key frame was dropped, see `startsAtLowest`.
      if (!hadLayers && currentLayers?.temporalLayer) consumer.requestKeyFrame().catch(() => undefined);
      hadLayers = currentLayers !== undefined;
    };
    consumer.on('layerschange', apply);
    // Its layers are undefined from here on, and 'layerschange' comes later, maybe after it has resumed.
    consumer.observer.on('pause', apply);
    apply();
  }

  /** Sets the highest layers that the client accepts. */
  async setMaximum(consumer: Consumer, { spatial, temporal }: Layers): Promise<void> {
    this.#maximum.set(consumer, {
      spatialLayer: spatial,
      ...(temporal !== undefined && { temporalLayer: temporal }),
    });
    await consumer.setPreferredLayers(this.#layersOf(consumer)!);
  }

  /** The highest layers that a consumer may have now. Undefined when it has no layers. */
  #layersOf(consumer: Consumer): ConsumerLayers | undefined {
    if (startsAtLowest(consumer) && (consumer.paused || !consumer.currentLayers))
      return { spatialLayer: 0, temporalLayer: 0 };
    return this.#maximum.get(consumer);
  }

  /** A subscription started or resumed: allocates the layers of all consumers several times in the next seconds. */
  reallocate(): void {
    this.#step = 0;
    clearTimeout(this.#timer);
    this.#schedule();
  }

  #schedule(): void {
    const atMs = allocateAtMs[this.#step];
    if (atMs === undefined) return;
    const previousMs = allocateAtMs[this.#step - 1] ?? 0;
    this.#step++;
    this.#timer = setTimeout(() => {
      void this.#allocate();
      if (atMs >= requestKeyFrameFromMs) this.#requestKeyFrames();
      this.#schedule();
    }, atMs - previousMs);
    this.#timer.unref();
  }

  *#active(): Iterable<Consumer> {
    for (const consumer of this.consumers()) {
      const { closed, paused, producerPaused, type } = consumer;
      if (!closed && !paused && !producerPaused && type !== 'simple') yield consumer;
    }
  }

  #requestKeyFrames(): void {
    for (const consumer of this.#active())
      if (consumer.currentLayers === undefined) consumer.requestKeyFrame().catch(() => undefined);
  }

  /** Makes mediasoup allocate through one consumer that is below its layers: the bit rate is the transport's. */
  async #allocate(): Promise<void> {
    for (const consumer of this.#active()) {
      // Its layers are allocated, only its key frame is not there yet. It must not come while a higher layer is the target.
      if (startsAtLowest(consumer) && !consumer.currentLayers && (await hasTarget(consumer))) continue;
      const { closed, paused, currentLayers } = consumer;
      const layers = this.#layersOf(consumer);
      if (closed || paused || !layers) continue;
      if (layers.spatialLayer === currentLayers?.spatialLayer && layers.temporalLayer === currentLayers.temporalLayer)
        continue;
      // Only a changed preference makes it allocate: change it and change it back, in one go.
      for (const preferred of [neighbourOf(layers), layers])
        consumer.setPreferredLayers(preferred).catch(() => undefined);
      return;
    }
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

/**
 * VP8 in one stream with temporal layers. mediasoup (3.27.1, RTP/Codecs/VP8.cpp) drops its key frame, which is of the lowest layer,
 * while a higher one is the target and none is current: nothing could be decoded before the next key frame. Its consumers
 * start at the lowest layer and go up from there. Simulcast is not affected.
 */
const startsAtLowest = ({ type, rtpParameters }: Consumer): boolean =>
  type === 'svc' && rtpParameters.codecs[0]?.mimeType.toLowerCase() === 'video/vp8';

/** Whether mediasoup has allocated layers to a consumer. */
async function hasTarget(consumer: Consumer): Promise<boolean> {
  const dump = await consumer.dump().catch(() => undefined);
  return dump !== undefined && 'targetTemporalLayer' in dump && dump.targetTemporalLayer >= 0;
}

/** Other layers, one step away. */
function neighbourOf({ spatialLayer, temporalLayer }: ConsumerLayers): ConsumerLayers {
  if (temporalLayer !== undefined && temporalLayer > 0) return { spatialLayer, temporalLayer: temporalLayer - 1 };
  if (temporalLayer === undefined) return { spatialLayer, temporalLayer: 0 };
  return spatialLayer > 0 ? { spatialLayer: spatialLayer - 1, temporalLayer } : { spatialLayer, temporalLayer: 1 };
}
