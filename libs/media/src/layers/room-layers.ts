import { FlotillaError, type Layers, type MaxSpatialLayer } from '@flotilla/contracts';
import type { Consumer, Producer } from 'mediasoup/types';
import { Delivery } from './delivery.ts';
import { HighestLayer } from './highest-layer.ts';

/**
 * Time for which a new consumer counts as a user of the lowest layer alone until its receiver has chosen layers, in milliseconds: most
 * choose at once, and layers that nobody looks at would be switched on for each that subscribes.
 */
export const chooseWithinMs = 1000;
/** How often a publisher, or the node that sends its video, is notified again while not all layers are used, in milliseconds. */
export const repeatEveryMs = 60_000;

/** What a receiver chooses; absent: unchanged. */
export interface LayerChoice {
  readonly paused?: boolean | undefined;
  readonly layers?: Pick<Layers, 'spatial'> | undefined;
}

/** A consumer of a stream: of a session on this node, or of the pipe to another node, which stands for the consumers there. */
interface Receiver {
  readonly stream: HighestLayer<Consumer>;
  isPaused: boolean;
  chosen: number | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The spatial layers that are used of each video of a room which this node has: published here, or received from another node. What
 * is used here of another node's video is reported to that node, whose publisher sends what is used in the whole fleet.
 *
 * Streams are identified by the id of their producer, which is the same in all routers and on all nodes.
 */
export class RoomLayers {
  readonly #streams = new Map<string, HighestLayer<Consumer>>();
  readonly #receivers = new WeakMap<Consumer, Receiver>();

  /**
   * A producer that a session here publishes, which begins with all layers.
   *
   * @param notify sends the publisher the layers that are used. Called again when it rejects.
   */
  published(producer: Producer, notify: (layer: MaxSpatialLayer) => Promise<unknown>): void {
    if (producer.kind !== 'video' || producer.closed) return;
    const delivery = new Delivery(notify);
    const stream = new HighestLayer<Consumer>(spatialLayersOf(producer), (layer) => delivery.put(layer), 'all');
    this.#add(producer, stream, delivery);
  }

  /**
   * A producer that another node sends.
   *
   * @param report sends that node the layers that are used here. Called again when it rejects, unless that node does not have the
   *   publication, or is of an earlier version: then all layers count as used.
   */
  received(producer: Producer, report: (layer: MaxSpatialLayer) => Promise<unknown>): void {
    if (producer.kind !== 'video' || producer.closed) return;
    const delivery = new Delivery(report, isRefused);
    const stream = new HighestLayer<Consumer>(spatialLayersOf(producer), (layer) => delivery.put(layer));
    this.#add(producer, stream, delivery);
  }

  #add({ id, observer }: Producer, stream: HighestLayer<Consumer>, delivery: Delivery<MaxSpatialLayer>): void {
    this.#streams.set(id, stream);
    // The other side may have been replaced, and use all layers again.
    const timer = setInterval(() => {
      if (stream.isReduced) delivery.put(stream.reported!);
    }, repeatEveryMs);
    timer.unref();
    observer.once('close', () => {
      clearInterval(timer);
      stream.close();
      delivery.close();
      if (this.#streams.get(id) === stream) this.#streams.delete(id);
    });
  }

  /** A consumer was created. */
  add(consumer: Consumer): void {
    const stream = this.#streams.get(consumer.producerId);
    if (!stream || consumer.closed || this.#receivers.has(consumer)) return;
    const receiver: Receiver = { stream, isPaused: false, chosen: undefined, timer: undefined };
    receiver.timer = setTimeout(() => {
      receiver.timer = undefined;
      this.#apply(consumer, receiver);
    }, chooseWithinMs);
    receiver.timer.unref();
    this.#receivers.set(consumer, receiver);
    this.#apply(consumer, receiver);
    consumer.observer.once('close', () => {
      clearTimeout(receiver.timer);
      stream.delete(consumer);
    });
  }

  /** The receiver of a consumer chose layers, or paused or resumed it. */
  choose(consumer: Consumer, { paused, layers }: LayerChoice): void {
    const receiver = this.#receivers.get(consumer);
    if (!receiver || consumer.closed) return;
    if (paused !== undefined) receiver.isPaused = paused;
    if (layers) receiver.chosen = layers.spatial;
    this.#apply(consumer, receiver);
  }

  #apply(consumer: Consumer, { stream, isPaused, chosen, timer }: Receiver): void {
    stream.set(consumer, isPaused ? null : (chosen ?? (timer ? 0 : Infinity)));
  }
}

/** Layers that a publisher can switch off one by one: streams of simulcast. */
const spatialLayersOf = ({ type, rtpParameters }: Producer): number =>
  type === 'simulcast' ? Math.max(1, rtpParameters.encodings?.length ?? 1) : 1;

/** Whether a node will not use reports of a publication. UNKNOWN_TYPE is the answer of an earlier version. */
const isRefused = (error: unknown): boolean => refusals.has(FlotillaError.from(error).code);
const refusals: ReadonlySet<string> = new Set(['UNKNOWN_TYPE', 'MEDIA_NOT_OPEN', 'PUBLICATION_NOT_FOUND']);
