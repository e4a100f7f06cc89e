import {
  type DisconnectReason,
  type DtlsParameters,
  FlotillaError,
  type Layers,
  maxSubscriptions,
  type MediaKind,
  type PublicationRecord,
  type RtpCapabilities,
  type RtpParameters,
  type Source,
  type Subscription,
  type TransportParameters,
} from '@flotilla/contracts';
import type { FairQueue, Logger } from '@flotilla/runtime';
import { maxPublications } from '@flotilla/store';
import type { Consumer, Producer, Router, WebRtcTransport } from 'mediasoup/types';
import { SubscriberAllocation } from './allocation/subscriber-allocation.ts';
import { subscriptionOf, transportParameters } from './client-parameters.ts';
import { LayerAllocator } from './layer-allocator.ts';
import { mediasoupErrors } from './mediasoup-errors.ts';
import { Slots } from './slots.ts';
import type { TransportOwner } from './quality/room-meter.ts';
import { TransportWatch } from './transport-watch.ts';
import type { PooledWorker } from './worker-pool.ts';

/**
 * Time between two key frame requests, in milliseconds. Browsers drop a request within 300 ms of the last one (libwebrtc,
 * EncoderRtcpFeedback), and mediasoup would repeat it only after a second.
 */
export const keyFrameRequestDelayMs = 350;

const transportOptions = {
  enableUdp: true,
  enableTcp: true,
  preferUdp: true,
  // Below the first estimate of the downlink, simulcast starts with a low layer and goes up.
  initialAvailableOutgoingBitrate: 1_000_000,
} as const;

/** What a client publishes. */
export interface PublishRequest {
  readonly publicationId: string;
  readonly kind: MediaKind;
  readonly source: Source;
  readonly rtpParameters: RtpParameters;
  readonly label?: string | undefined;
  readonly muted: boolean;
}

export interface SubscriptionChange {
  readonly paused?: boolean | undefined;
  readonly layers?: Layers | undefined;
  readonly priority?: number | undefined;
}

/** What a PeerMedia asks about, and notifies, its room. */
export interface PeerMediaRoom {
  /** A transport lost its client. */
  readonly onDisconnected: (transportId: string, reason: DisconnectReason) => void;
  /** These are all publications that are paused for bandwidth now, on its receive transport. */
  readonly onLimited: (transportId: string, publicationIds: readonly string[]) => void;
  /** Whether a participant is the active speaker, or was shortly before. */
  readonly isActiveSpeaker: (participantId: string) => boolean;
}

/**
 * One participant's media on this node: a transport in each direction, a producer for each publication, a consumer for each
 * subscription.
 *
 * Every method checks after each wait that the session is still open: mediasoup (3.27.1, lib/Transport.js) creates producers and
 * consumers of a transport that was closed while the worker was asked. The MediaRoom calls the methods about one publication
 * one after another.
 */
export class PeerMedia {
  readonly #producers = new Map<string, Producer>();
  readonly #publicationSlots = new Slots(maxPublications, 'publications');
  readonly #consumers = new Map<string, Consumer>();
  readonly #subscriptionSlots = new Slots(maxSubscriptions, 'subscriptions');
  /** Consumers whose publication has another producer now. */
  readonly #previousConsumers = new Map<string, Consumer>();
  readonly #connects = new Map<string, { parameters: string; done: Promise<void> }>();
  readonly #layers = new LayerAllocator(() => this.#consumers.values());
  readonly #allocation: SubscriberAllocation;
  readonly #watches: ReadonlyMap<string, TransportWatch>;
  #closed = false;

  private constructor(
    readonly id: string,
    readonly participantId: string,
    private readonly rtpCapabilities: RtpCapabilities,
    private readonly send: WebRtcTransport,
    private readonly recv: WebRtcTransport,
    private readonly consumeTurns: FairQueue,
    { onDisconnected, onLimited, isActiveSpeaker }: PeerMediaRoom,
    private readonly log: Logger,
  ) {
    this.#allocation = new SubscriberAllocation({
      transport: recv,
      layers: this.#layers,
      isActiveSpeaker,
      onLimited: (publicationIds) => onLimited(recv.id, publicationIds),
    });
    this.#watches = new Map([send, recv].map((each) => [each.id, new TransportWatch(each, onDisconnected)]));
    recv.on('dtlsstatechange', (state) => {
      if (state === 'connected') this.#layers.reallocate();
    });
  }

  static async open(options: {
    id: string;
    participantId: string;
    rtpCapabilities: RtpCapabilities;
    router: Router;
    worker: PooledWorker;
    room: PeerMediaRoom;
    log: Logger;
  }): Promise<PeerMedia> {
    const { id, participantId, rtpCapabilities, router, worker, room, log } = options;
    const appData = { sessionId: id, participantId } satisfies TransportOwner;
    const open = (): Promise<WebRtcTransport> =>
      router.createWebRtcTransport({ ...transportOptions, webRtcServer: worker.webRtcServer, appData });
    const [send, recv] = await Promise.allSettled([open(), open()]);
    if (send.status === 'fulfilled' && recv.status === 'fulfilled' && !router.closed)
      return new PeerMedia(
        id,
        participantId,
        rtpCapabilities,
        send.value,
        recv.value,
        worker.consumeTurns,
        room,
        log.child({ sessionId: id }),
      );
    for (const transport of [send, recv]) if (transport.status === 'fulfilled') transport.value.close();
    const failed = [send, recv].find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
    throw new FlotillaError('NODE_UNAVAILABLE', 'the media worker stopped while transports were opened', {
      cause: failed?.reason,
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  get transports(): { send: TransportParameters; recv: TransportParameters } {
    return { send: transportParameters(this.send), recv: transportParameters(this.recv) };
  }

  get counts(): { producers: number; consumers: number } {
    return { producers: this.#producers.size, consumers: this.#consumers.size };
  }

  /** Throws MEDIA_NOT_OPEN when it is closed. */
  requireOpen(): void {
    if (this.#closed) throw new FlotillaError('MEDIA_NOT_OPEN');
  }

  #transport(transportId: string): WebRtcTransport {
    this.requireOpen();
    const transport = [this.send, this.recv].find(({ id }) => id === transportId);
    if (!transport)
      throw new FlotillaError('MEDIA_NOT_OPEN', 'the session has no such transport; open_media replaced it');
    return transport;
  }

  /** Connects a transport. Repeated with the same parameters, it answers as the first time. Throws MEDIA_UNSUPPORTED. */
  async connect(transportId: string, dtlsParameters: DtlsParameters): Promise<void> {
    const transport = this.#transport(transportId);
    const parameters = JSON.stringify(dtlsParameters);
    const known = this.#connects.get(transportId);
    if (known && known.parameters !== parameters)
      throw new FlotillaError('MEDIA_UNSUPPORTED', 'the transport was connected with other DTLS parameters');
    if (known) return known.done;
    const done = mediasoupErrors(() =>
      transport.connect({
        dtlsParameters: dtlsParameters as Parameters<WebRtcTransport['connect']>[0]['dtlsParameters'],
      }),
    );
    this.#connects.set(transportId, { parameters, done });
    try {
      await done;
      if (!this.#closed) this.#watches.get(transportId)?.expectConnection();
    } catch (error) {
      this.#connects.delete(transportId);
      throw error;
    }
  }

  async restartIce(transportId: string): Promise<TransportParameters['iceParameters']> {
    const transport = this.#transport(transportId);
    return mediasoupErrors(() => transport.restartIce());
  }

  /** Tells the client at most how much to send: by REMB, also in place of its own estimate by transport-cc. In bit/s. */
  limitPublishing(maxBitrate: number): Promise<void> {
    return this.send.setMaxIncomingBitrate(maxBitrate);
  }

  /**
   * Creates the producer of a publication, in place of the one it has. `announce` makes it known to the room; when that fails,
   * the new producer is closed and the previous one stays.
   *
   * @throws FlotillaError RATE_LIMITED above `maxPublications`, MEDIA_UNSUPPORTED, MEDIA_NOT_OPEN, and what `announce` throws.
   */
  async publish(request: PublishRequest, announce: (producer: Producer) => Promise<void>): Promise<void> {
    this.requireOpen();
    const { publicationId } = request;
    this.#publicationSlots.take(publicationId);
    let producer: Producer;
    try {
      producer = await this.#produce(request);
    } catch (error) {
      if (!this.#producers.has(publicationId)) this.#publicationSlots.free(publicationId);
      throw error;
    }
    const previous = this.#producers.get(publicationId);
    this.#producers.set(publicationId, producer);
    producer.observer.once('close', () => {
      if (this.#producers.get(publicationId) !== producer) return;
      this.#producers.delete(publicationId);
      this.#publicationSlots.free(publicationId);
    });
    try {
      await announce(producer);
      this.requireOpen();
    } catch (error) {
      if (previous && !previous.closed) this.#producers.set(publicationId, previous);
      producer.close();
      throw error;
    }
    previous?.close();
  }

  async #produce({ publicationId, kind, rtpParameters, muted }: PublishRequest): Promise<Producer> {
    // mediasoup (3.27.1, ortc.js) matches codecs by their media type alone; receivers put them into a section of this kind.
    const other = rtpParameters.codecs.find(({ mimeType }) => !mimeType.toLowerCase().startsWith(`${kind}/`));
    if (other) throw new FlotillaError('MEDIA_UNSUPPORTED', `${other.mimeType} in a publication of ${kind}`);
    const producer = await mediasoupErrors(() =>
      this.send.produce({
        kind,
        rtpParameters: rtpParameters as Producer['rtpParameters'],
        paused: muted,
        keyFrameRequestDelay: keyFrameRequestDelayMs,
        appData: { publicationId, participantId: this.participantId },
      }),
    );
    if (this.#closed) producer.close();
    this.requireOpen();
    return producer;
  }

  /** Ids of the publications of this session. */
  get publicationIds(): string[] {
    return [...this.#producers.keys()];
  }

  /** The producer of a publication of this session, if it has one. */
  findProducer(publicationId: string): Producer | undefined {
    return this.#producers.get(publicationId);
  }

  /**
   * Starts sending a producer to this session, in place of what it receives of the same publication. `created` says whether
   * there is a new consumer for it.
   *
   * The consumer starts at once while the client's transport is not connected: mediasoup requests a key frame when it
   * connects, and by then the client is ready. Later it starts paused, until the client resumes it.
   *
   * @throws FlotillaError RATE_LIMITED above `maxSubscriptions`, MEDIA_UNSUPPORTED, MEDIA_NOT_OPEN, PUBLICATION_NOT_FOUND.
   */
  async subscribe(
    publication: PublicationRecord,
    producer: Producer,
    router: Router,
  ): Promise<{ subscription: Subscription; created: boolean }> {
    this.requireOpen();
    const { id } = publication;
    const known = this.#consumers.get(id);
    if (known?.producerId === producer.id) return { subscription: subscriptionOf(id, known), created: false };
    this.#subscriptionSlots.take(id);
    let consumer: Consumer;
    try {
      consumer = await this.#consume(publication, producer, router);
    } catch (error) {
      if (!this.#consumers.has(id)) this.#subscriptionSlots.free(id);
      throw error;
    }
    this.#keepPrevious(id);
    this.#consumers.set(id, consumer);
    consumer.observer.once('close', () => {
      if (this.#consumers.get(id) !== consumer) return;
      this.#consumers.delete(id);
      this.#subscriptionSlots.free(id);
    });
    this.#layers.add(consumer);
    const { participantId, source } = publication;
    this.#allocation.add(consumer, { publicationId: id, participantId, source, producer });
    return { subscription: subscriptionOf(id, consumer), created: true };
  }

  async #consume(publication: PublicationRecord, producer: Producer, router: Router): Promise<Consumer> {
    const producerClosed = (): FlotillaError => new FlotillaError('PUBLICATION_NOT_FOUND', 'its producer is closed');
    if (producer.closed) throw producerClosed();
    const rtpCapabilities = this.rtpCapabilities as Parameters<Router['canConsume']>[0]['rtpCapabilities'];
    if (!router.canConsume({ producerId: producer.id, rtpCapabilities }))
      throw new FlotillaError('MEDIA_UNSUPPORTED', `this client can't receive ${publication.codec}`);
    let consumer: Consumer;
    try {
      consumer = await this.consumeTurns.run(this.id, async () => {
        this.requireOpen();
        const paused = this.recv.dtlsState !== 'new';
        return mediasoupErrors(() => this.recv.consume({ producerId: producer.id, rtpCapabilities, paused }));
      });
    } catch (error) {
      throw producer.closed ? producerClosed() : error;
    }
    if (this.#closed || producer.closed) consumer.close();
    this.requireOpen();
    if (producer.closed) throw producerClosed();
    return consumer;
  }

  /**
   * The consumer of a publication is about to be replaced. It continues until its producer is closed, so that the client sees
   * the new one first; a second replacement does not wait for that.
   */
  #keepPrevious(publicationId: string): void {
    const previous = this.#consumers.get(publicationId);
    this.#previousConsumers.get(publicationId)?.close();
    this.#previousConsumers.delete(publicationId);
    if (!previous || previous.closed) return;
    this.#previousConsumers.set(publicationId, previous);
    previous.observer.once('close', () => {
      if (this.#previousConsumers.get(publicationId) === previous) this.#previousConsumers.delete(publicationId);
    });
  }

  /** Calls back once when the current consumer of the publication is closed. */
  onUnsubscribed(publicationId: string, callback: () => void): void {
    const consumer = this.#consumers.get(publicationId);
    if (consumer) consumer.observer.once('close', callback);
    else callback();
  }

  /** Ids of the publications that the session subscribes to. */
  get subscribedIds(): string[] {
    return [...this.#consumers.keys()];
  }

  /** The consumer of a publication, if the session subscribes to it. */
  findConsumer(publicationId: string): Consumer | undefined {
    return this.#consumers.get(publicationId);
  }

  unsubscribe(publicationId: string): void {
    this.#consumers.get(publicationId)?.close();
    this.#previousConsumers.get(publicationId)?.close();
  }

  async updateSubscription(publicationId: string, { paused, layers, priority }: SubscriptionChange): Promise<void> {
    const consumer = this.#consumers.get(publicationId);
    if (!consumer) throw new FlotillaError('SUBSCRIPTION_NOT_FOUND');
    try {
      if (layers && consumer.type !== 'simple') await this.#layers.setMaximum(consumer, layers);
      if (priority !== undefined) await consumer.setPriority(priority);
      if (paused === undefined) return this.#allocation.changed();
      await this.#allocation.setPaused(consumer, paused);
      if (paused) return;
    } catch (error) {
      throw consumer.closed ? new FlotillaError('SUBSCRIPTION_NOT_FOUND') : error;
    }
    this.#layers.reallocate();
  }

  /** The active speaker of the room is another one. */
  onActiveSpeaker(): void {
    this.#allocation.speakerChanged();
  }

  /** Calls back once when it is closed, or its worker died. */
  onClosed(callback: () => void): void {
    this.recv.observer.once('close', callback);
  }

  closeProducers(): void {
    for (const producer of [...this.#producers.values()]) producer.close();
  }

  closeConsumers(): void {
    for (const consumer of [...this.#consumers.values(), ...this.#previousConsumers.values()]) consumer.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#layers.close();
    this.#allocation.close();
    for (const watch of this.#watches.values()) watch.stop();
    this.send.close();
    this.recv.close();
    this.log.debug('peer media closed');
  }
}
