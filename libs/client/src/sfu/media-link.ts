import {
  FlotillaError,
  type MediaSessionParameters,
  type Publication,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  type Source,
  type Subscription,
} from '@flotilla/contracts';
import type { Device } from 'mediasoup-client';
import type { Consumer, Producer, ProducerOptions, Transport, TransportOptions } from 'mediasoup-client/types';
import { sendKeyFrames } from './key-frames.ts';

/** How a publication is announced when its producer is made. */
export interface Announcement {
  readonly source: Source;
  readonly label?: string | undefined;
  readonly muted: boolean;
  /** Put the producer behind this publication instead of a new one. */
  readonly publicationId?: string | undefined;
}

/** A request about the room the link is for. */
export type RoomRequest = <T extends RequestType>(type: T, payload: RequestPayload<T>) => Promise<ReplyPayload<T>>;

/** A path that was lost is given this long to come back by itself before it is repaired, in milliseconds. */
const disconnectedGraceMs = 2000;
const lookEveryMs = 20;

/**
 * The media of a session on one SFU node: a transport each way, and what goes through them. It lives as long as its node;
 * a session that is given another node gets another link.
 */
export class MediaLink {
  readonly nodeId: string;
  readonly #send: Transport;
  readonly #recv: Transport;
  readonly #consumers = new Map<string, Consumer>();
  /** What another consumer of the same publication takes the place of, until that has something to show. */
  readonly #former = new Map<string, Consumer>();
  /** By the id of the consumer: the same subscription may be told twice. */
  readonly #receiving = new Map<string, Promise<Consumer>>();
  /** Asks the node of this link, also while the session is being moved to it. */
  readonly request: RoomRequest;
  readonly #onBroken: (link: MediaLink) => void;
  #closed = false;
  /** What the server said of publications, by the id of their producer. */
  readonly #published = new Map<string, Publication>();

  constructor(
    device: Device,
    media: MediaSessionParameters,
    request: RoomRequest,
    onBroken: (link: MediaLink) => void,
    iceServers: RTCIceServer[],
  ) {
    this.nodeId = media.nodeId;
    this.request = request;
    this.#onBroken = onBroken;
    const options = (parameters: MediaSessionParameters['send']): TransportOptions => ({
      ...(parameters as unknown as TransportOptions),
      iceServers,
    });
    this.#send = device.createSendTransport(options(media.send));
    this.#recv = device.createRecvTransport(options(media.recv));
    for (const transport of [this.#send, this.#recv]) this.#watch(transport);
    this.#send.on('produce', ({ kind, rtpParameters, appData }, done, fail) => {
      const announcement = appData as unknown as Announcement;
      this.request('publish', {
        ...announcement,
        kind,
        rtpParameters: rtpParameters as unknown as RequestPayload<'publish'>['rtpParameters'],
      }).then(({ publication }) => {
        this.#published.set(publication.producerId, publication);
        done({ id: publication.producerId });
      }, fail);
    });
  }

  #watch(transport: Transport): void {
    transport.on('connect', ({ dtlsParameters }, done, fail) => {
      this.request('connect_transport', { transportId: transport.id, dtlsParameters }).then(() => done(), fail);
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    transport.on('connectionstatechange', (state) => {
      clearTimeout(timer);
      if (this.#closed) return;
      if (state === 'failed') void this.#repair(transport);
      if (state === 'disconnected') timer = setTimeout(() => void this.#repair(transport), disconnectedGraceMs);
    });
  }

  /** Tries a new path for the same transport; when the node does not know it any more, the link is broken. */
  async #repair(transport: Transport): Promise<void> {
    if (this.#closed) return;
    try {
      const { iceParameters } = await this.request('restart_ice', { transportId: transport.id });
      await transport.restartIce({
        iceParameters: iceParameters as Parameters<Transport['restartIce']>[0]['iceParameters'],
      });
    } catch {
      if (!this.#closed) this.#onBroken(this);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends a track. `producer.track` and its pausing are the caller's. */
  async publish(
    announcement: Announcement,
    options: ProducerOptions,
  ): Promise<{ producer: Producer; publication: Publication }> {
    const producer = await this.#send.produce({ ...options, stopTracks: false, appData: { ...announcement } });
    if (producer.kind === 'video' && producer.rtpSender) sendKeyFrames(producer.rtpSender);
    return { producer, publication: this.#published.get(producer.id)! };
  }

  /** Begins to receive what the node was asked to send. Returns the consumers by publication. */
  async receive(subscriptions: readonly Subscription[]): Promise<Map<string, Consumer>> {
    // Asked for in one turn, they are one negotiation.
    const received = await Promise.all(
      subscriptions.map(async (subscription) => {
        let consumer = this.#receiving.get(subscription.consumerId);
        if (!consumer) this.#receiving.set(subscription.consumerId, (consumer = this.#consume(subscription)));
        return [subscription.publicationId, await consumer] as const;
      }),
    );
    const waiting = subscriptions.filter(({ paused }) => paused).map(({ publicationId }) => publicationId);
    if (waiting.length > 0) await this.request('update_subscriptions', { publicationIds: waiting, paused: false });
    return new Map(received);
  }

  async #consume({ publicationId, consumerId, producerId, kind, rtpParameters }: Subscription): Promise<Consumer> {
    const consumer = await this.#recv.consume({
      id: consumerId,
      producerId,
      kind,
      rtpParameters: rtpParameters as unknown as Consumer['rtpParameters'],
    });
    const former = this.#consumers.get(publicationId);
    if (former) {
      this.letGoOfFormer(publicationId);
      this.#former.set(publicationId, former);
    }
    this.#consumers.set(publicationId, consumer);
    consumer.observer.once('close', () => this.#receiving.delete(consumerId));
    return consumer;
  }

  consumer(publicationId: string): Consumer | undefined {
    return this.#consumers.get(publicationId);
  }

  /** What it takes the place of, until `letGoOfFormer`. */
  formerConsumer(publicationId: string): Consumer | undefined {
    return this.#former.get(publicationId);
  }

  /** What receives a track. */
  receiverOf(track: MediaStreamTrack): RTCRtpReceiver | undefined {
    for (const consumer of [...this.#consumers.values(), ...this.#former.values()])
      if (consumer.track === track) return consumer.rtpReceiver;
    return undefined;
  }

  /** The consumer that another took the place of is not needed any more. */
  letGoOfFormer(publicationId: string): void {
    this.#former.get(publicationId)?.close();
    this.#former.delete(publicationId);
  }

  /** Stops receiving a publication. */
  drop(publicationId: string): void {
    this.letGoOfFormer(publicationId);
    this.#consumers.get(publicationId)?.close();
    this.#consumers.delete(publicationId);
  }

  /** Statistics of both directions, each as one report of the browser. */
  async stats(): Promise<{ sent: RTCStatsReport; received: RTCStatsReport }> {
    const [sent, received] = await Promise.all([this.#send.getStats(), this.#recv.getStats()]);
    return { sent, received };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#send.close();
    this.#recv.close();
    this.#consumers.clear();
    this.#former.clear();
  }

  /** Resolves when every transport that is used has a path. Fails when one has none within the time. */
  async established(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    for (const transport of [this.#send, this.#recv]) {
      // A transport connects when something first goes through it.
      while (transport.connectionState !== 'connected' && transport.connectionState !== 'new') {
        if (this.#closed || transport.connectionState === 'failed' || performance.now() > deadline)
          throw new FlotillaError('NODE_UNAVAILABLE', `there is no path to ${this.nodeId}`);
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    }
  }
}
