import type { MaxSpatialLayer, RoomEventPayload } from '@flotilla/contracts';
import type { Producer } from 'mediasoup-client/types';
import { LatestValue } from '../room/latest-value.ts';
import type { SfuLinks } from './links.ts';

/** The browser may be setting other parameters of the sender: number of attempts, and pause between them in milliseconds. */
const maxAttempts = 5;
const attemptPauseMs = 100;
/** How often encodings are compared with what they should be, in milliseconds. */
const checkEveryMs = 1000;

/**
 * Sends of local videos the simulcast layers that subscriptions in the fleet use; of a video that none uses, nothing. A producer sends
 * all layers until the fleet says otherwise, and when it may have missed that.
 */
export class SubscribedLayers {
  readonly #links: SfuLinks;
  readonly #latest = new WeakMap<Producer, LatestValue<MaxSpatialLayer>>();
  /** The highest layer of each producer that the fleet has sent one for. */
  readonly #highest = new Map<Producer, MaxSpatialLayer>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(links: SfuLinks) {
    this.#links = links;
  }

  /** The layers that are used of a producer. Of one that is not on a link any more, nothing happens. */
  apply({ publicationId, producerId, maxSpatialLayer }: RoomEventPayload<'subscribed_layers'>): void {
    const { current, next, previous } = this.#links;
    for (const link of [current, next, previous]) {
      const producer = link?.producer(publicationId);
      if (producer?.id !== producerId) continue;
      this.#highest.set(producer, maxSpatialLayer);
      this.#set(producer, maxSpatialLayer);
      // libwebrtc switches all encodings on when it applies an answer, such as for another track.
      this.#timer ??= setInterval(() => this.#check(), checkEveryMs);
    }
  }

  /** Sends all layers of all videos, until the fleet says otherwise. */
  sendAll(): void {
    for (const producer of this.#highest.keys()) if (!producer.closed) this.#set(producer, Infinity);
    this.#highest.clear();
  }

  #check(): void {
    for (const [producer, highest] of this.#highest) {
      if (producer.closed) this.#highest.delete(producer);
      else this.#set(producer, highest);
    }
    if (this.#highest.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #set(producer: Producer, highest: MaxSpatialLayer): void {
    const { rtpSender } = producer;
    if (!rtpSender) return;
    let latest = this.#latest.get(producer);
    if (!latest) this.#latest.set(producer, (latest = new LatestValue((layer) => activate(rtpSender, layer))));
    // What a browser cannot switch off is sent.
    latest.set(highest).catch(() => undefined);
  }
}

/** Switches the encodings up to a layer on, and the others off. Compares again afterwards: other parameters may be set at the same time. */
async function activate(sender: RTCRtpSender, highest: MaxSpatialLayer): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const parameters = sender.getParameters();
    const isActive = (layer: number): boolean => highest !== null && layer <= highest;
    if (parameters.encodings.every(({ active = true }, layer) => active === isActive(layer))) return;
    for (const [layer, encoding] of parameters.encodings.entries()) encoding.active = isActive(layer);
    try {
      await sender.setParameters(parameters);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, attemptPauseMs));
    }
  }
}
