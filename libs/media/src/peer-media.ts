import {
  type DtlsParameters,
  FlotillaError,
  type PublicationRecord,
  type Layers,
  type MediaKind,
  newId,
  type Publication,
  type RtpCapabilities,
  type RtpParameters,
  type Source,
  type Subscription,
  type TransportParameters,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Consumer, Producer, Router, WebRtcServer, WebRtcTransport } from 'mediasoup/types';
import { LayerShare } from './layers.ts';
import type { TransportOwner } from './quality/room-meter.ts';

/**
 * After a key frame was asked for, the next request waits this long: browsers drop what comes within 300 ms (libwebrtc,
 * EncoderRtcpFeedback), and mediasoup would ask again only after a second.
 */
const keyFrameRequestDelayMs = 350;
/** More than any client needs, and a bound on what one can make a node hold. */
export const maxPublications = 16;
export const maxSubscriptions = 1024;

const transportOptions = {
  enableUdp: true,
  enableTcp: true,
  preferUdp: true,
  // A first guess of the downlink: below it simulcast starts with a low layer and climbs.
  initialAvailableOutgoingBitrate: 1_000_000,
} as const;

/** What a client publishes. */
export interface PublishRequest {
  readonly kind: MediaKind;
  readonly source: Source;
  readonly rtpParameters: RtpParameters;
  readonly label?: string | undefined;
  readonly muted: boolean;
  readonly publicationId?: string | undefined;
}

/**
 * One participant's media on this node: a transport each way, a producer for each publication, a consumer for each
 * subscription. Knows nothing of the room; the MediaRoom tells it what to consume.
 */
export class PeerMedia {
  readonly #producers = new Map<string, Producer>();
  readonly #consumers = new Map<string, Consumer>();
  /** Consumers that another took the place of. */
  readonly #replaced = new Map<string, Consumer>();
  readonly #consuming = new Map<string, Promise<Consumer>>();
  readonly #layers = new LayerShare(() => this.#consumers.values());
  #closed = false;

  private constructor(
    readonly id: string,
    readonly participantId: string,
    /** What a session on another node has to be opened with to be its like. */
    readonly description: { readonly rtpCapabilities: RtpCapabilities; readonly subscribe: boolean },
    private readonly send: WebRtcTransport,
    private readonly recv: WebRtcTransport,
    private readonly log: Logger,
  ) {
    recv.on('dtlsstatechange', (state) => {
      if (state === 'connected') this.#layers.changed();
    });
  }

  static async open(options: {
    id: string;
    participantId: string;
    rtpCapabilities: RtpCapabilities;
    subscribe: boolean;
    router: Router;
    webRtcServer: WebRtcServer;
    log: Logger;
  }): Promise<PeerMedia> {
    const { id, participantId, rtpCapabilities, subscribe, router, webRtcServer, log } = options;
    const appData = { sessionId: id, participantId } satisfies TransportOwner;
    const [send, recv] = await Promise.all([
      router.createWebRtcTransport({ ...transportOptions, webRtcServer, appData }),
      router.createWebRtcTransport({ ...transportOptions, webRtcServer, appData }),
    ]);
    const description = { rtpCapabilities, subscribe };
    return new PeerMedia(id, participantId, description, send, recv, log.child({ sessionId: id }));
  }

  get closed(): boolean {
    return this.#closed;
  }

  get transports(): { send: TransportParameters; recv: TransportParameters } {
    return { send: describe(this.send), recv: describe(this.recv) };
  }

  get counts(): { producers: number; consumers: number } {
    return { producers: this.#producers.size, consumers: this.#consumers.size };
  }

  #transport(transportId: string): WebRtcTransport {
    const transport = [this.send, this.recv].find(({ id }) => id === transportId);
    if (!transport) throw new FlotillaError('MEDIA_NOT_OPEN', 'that transport is not of this session, or was replaced');
    return transport;
  }

  async connect(transportId: string, dtlsParameters: DtlsParameters): Promise<void> {
    const transport = this.#transport(transportId);
    // Said twice, after a reply that was lost.
    if (transport.dtlsState !== 'new') return;
    await orUnsupported(() =>
      transport.connect({
        dtlsParameters: dtlsParameters as Parameters<WebRtcTransport['connect']>[0]['dtlsParameters'],
      }),
    );
  }

  async restartIce(transportId: string): Promise<TransportParameters['iceParameters']> {
    return this.#transport(transportId).restartIce();
  }

  /** Creates the producer of a publication, in place of the one it has. */
  async publish(request: PublishRequest): Promise<{ publication: Publication; producer: Producer }> {
    const { kind, source, rtpParameters, label, muted, publicationId = newId('publication') } = request;
    const former = this.#producers.get(publicationId);
    if (!former && this.#producers.size >= maxPublications)
      throw new FlotillaError('RATE_LIMITED', `${maxPublications} publications are the most`);
    const producer = await orUnsupported(() =>
      this.send.produce({
        kind,
        rtpParameters: rtpParameters as Producer['rtpParameters'],
        paused: muted,
        keyFrameRequestDelay: keyFrameRequestDelayMs,
        appData: { publicationId, participantId: this.participantId },
      }),
    );
    this.#producers.set(publicationId, producer);
    producer.observer.once('close', () => {
      if (this.#producers.get(publicationId) === producer) this.#producers.delete(publicationId);
    });
    former?.close();
    const publication: Publication = {
      id: publicationId,
      participantId: this.participantId,
      kind,
      source,
      ...(label !== undefined && { label }),
      codec: producer.rtpParameters.codecs[0]!.mimeType,
      muted,
      producerId: producer.id,
    };
    return { publication, producer };
  }

  producer(publicationId: string): Producer {
    const producer = this.#producers.get(publicationId);
    if (!producer) throw new FlotillaError('PUBLICATION_NOT_FOUND');
    return producer;
  }

  /** The producer behind a publication of this session, if it has one. */
  findProducer(publicationId: string): Producer | undefined {
    return this.#producers.get(publicationId);
  }

  /**
   * Starts sending a producer to this session, in place of what it got for the same publication. Asked for twice at once,
   * both get the one subscription. While the client's transport is not connected yet the consumer starts at once: it will
   * ask for a key frame when the transport connects, and by then the client is ready. Later it starts paused, until the
   * client says so.
   */
  async subscribe(publication: PublicationRecord, producer: Producer, router: Router): Promise<Subscription> {
    const known = this.#consumers.get(publication.id);
    if (known?.producerId === producer.id) return subscription(publication.id, known);
    if (!known && this.#consumers.size >= maxSubscriptions)
      throw new FlotillaError('RATE_LIMITED', `${maxSubscriptions} subscriptions are the most`);
    const key = `${publication.id}/${producer.id}`;
    let consuming = this.#consuming.get(key);
    if (!consuming) {
      consuming = this.#consume(publication, producer, router).finally(() => this.#consuming.delete(key));
      this.#consuming.set(key, consuming);
    }
    return subscription(publication.id, await consuming);
  }

  async #consume(publication: PublicationRecord, producer: Producer, router: Router): Promise<Consumer> {
    const rtpCapabilities = this.description.rtpCapabilities as Parameters<Router['canConsume']>[0]['rtpCapabilities'];
    if (!router.canConsume({ producerId: producer.id, rtpCapabilities })) {
      throw new FlotillaError('MEDIA_UNSUPPORTED', `this client can't receive ${publication.codec}`);
    }
    const consumer = await orUnsupported(() =>
      this.recv.consume({ producerId: producer.id, rtpCapabilities, paused: this.recv.dtlsState !== 'new' }),
    );
    this.#former(publication.id);
    this.#consumers.set(publication.id, consumer);
    this.#layers.begin(consumer);
    consumer.observer.once('close', () => {
      if (this.#consumers.get(publication.id) === consumer) this.#consumers.delete(publication.id);
    });
    return consumer;
  }

  /**
   * What is received of the publication is behind another producer from now on. The former one goes on until it ends with its
   * producer, so that the client sees the new one before it lets go of the old; a second change does not wait for that.
   */
  #former(publicationId: string): void {
    const former = this.#consumers.get(publicationId);
    this.#replaced.get(publicationId)?.close();
    this.#replaced.delete(publicationId);
    if (!former || former.closed) return;
    this.#replaced.set(publicationId, former);
    former.observer.once('close', () => {
      if (this.#replaced.get(publicationId) === former) this.#replaced.delete(publicationId);
    });
  }

  /** Calls back once when the subscription, as it is now, ends. */
  whenUnsubscribed(publicationId: string, ended: () => void): void {
    const consumer = this.#consumers.get(publicationId);
    if (consumer) consumer.observer.once('close', ended);
    else ended();
  }

  unsubscribe(publicationId: string): void {
    this.#consumers.get(publicationId)?.close();
    this.#replaced.get(publicationId)?.close();
  }

  async updateSubscription(
    publicationId: string,
    change: { paused?: boolean | undefined; layers?: Layers | undefined; priority?: number | undefined },
  ): Promise<void> {
    const consumer = this.#consumers.get(publicationId);
    if (!consumer) throw new FlotillaError('SUBSCRIPTION_NOT_FOUND');
    const { paused, layers, priority } = change;
    try {
      if (layers && consumer.type !== 'simple') await this.#layers.prefer(consumer, layers);
      if (priority !== undefined) await consumer.setPriority(priority);
      if (paused === true) await consumer.pause();
      if (paused !== false) return;
      await consumer.resume();
    } catch (error) {
      // It ended with its producer meanwhile.
      throw consumer.closed ? new FlotillaError('SUBSCRIPTION_NOT_FOUND') : error;
    }
    this.#layers.changed();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#layers.close();
    this.send.close();
    this.recv.close();
    this.log.debug('media session closed');
  }
}

function describe({ id, iceParameters, iceCandidates, dtlsParameters }: WebRtcTransport): TransportParameters {
  return { id, iceParameters, iceCandidates, dtlsParameters };
}

function subscription(
  publicationId: string,
  { id, producerId, kind, rtpParameters, type, paused }: Consumer,
): Subscription {
  return {
    publicationId,
    consumerId: id,
    producerId,
    kind,
    rtpParameters: rtpParameters as RtpParameters,
    type,
    paused,
  };
}

/** What mediasoup refuses, it refuses because of the parameters; what is closed meanwhile is not open any more. */
async function orUnsupported<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { name, message } = error as Error;
    if (name === 'InvalidStateError') throw new FlotillaError('MEDIA_NOT_OPEN', undefined, { cause: error });
    throw new FlotillaError('MEDIA_UNSUPPORTED', message, { cause: error });
  }
}
