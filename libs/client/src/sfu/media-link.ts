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
import type { SubscriptionSettings } from '../room/subscription-settings.ts';
import { type IceAddress, iceConnectsWithinMs, sfuIceError } from '../media/ice-error.ts';
import { chunks } from './chunks.ts';
import { consume, isOwnFault, isUnsupported } from './consume.ts';
import { sendKeyFrames } from './key-frames.ts';
import type { Unreceivable } from './unreceivable.ts';

/** Description of a publication, sent to the room with its producer. */
export interface Announcement {
  readonly publicationId: string;
  readonly source: Source;
  readonly label?: string | undefined;
  readonly muted: boolean;
}

/** A request about the room that the link belongs to. */
export type RoomRequest = <T extends RequestType>(type: T, payload: RequestPayload<T>) => Promise<ReplyPayload<T>>;

export interface MediaLinkOptions {
  readonly device: Device;
  readonly media: MediaSessionParameters;
  /** Sends a request to the node of this link, also while the session is being migrated to it. */
  readonly request: RoomRequest;
  /** STUN and TURN servers, for the transports and for each restart of ICE: credentials of TURN servers expire. */
  readonly iceServers: () => RTCIceServer[];
  readonly unreceivable: Unreceivable;
  /** The node no longer has these transports, or nothing further can be received over them. */
  readonly onBroken: (link: MediaLink) => void;
  /** `iceError` was set or cleared. */
  readonly onIceErrorChanged: () => void;
}

/** Time for a disconnected transport to recover by itself before ICE is restarted, in milliseconds. */
const disconnectedGraceMs = 2000;
const pollIntervalMs = 20;

/**
 * The media of a session on one SFU node: a transport in each direction, and what goes through them. It lives as long as
 * its node has the session; on another node the session has another link.
 */
export class MediaLink {
  readonly nodeId: string;
  readonly recvTransportId: string;
  readonly request: RoomRequest;
  readonly #send: Transport;
  readonly #recv: Transport;
  readonly #unreceivable: Unreceivable;
  readonly #onBroken: (link: MediaLink) => void;
  readonly #onIceErrorChanged: () => void;
  readonly #iceServers: () => RTCIceServer[];
  /** Addresses of the node, for error messages. */
  readonly #addresses: readonly IceAddress[];
  /** Transports whose ICE connection failed and is not connected again. */
  readonly #iceFailed = new Set<Transport>();
  /** By publication. */
  readonly #consumers = new Map<string, Consumer>();
  /** Consumers that were replaced by another of the same publication, until that one has media to show. */
  readonly #previous = new Map<string, Consumer>();
  /** By consumer id: the same subscription may arrive twice. */
  readonly #receiving = new Map<string, Promise<Consumer>>();
  /** Publications that the node may be sending. */
  readonly #requested = new Set<string>();
  readonly #producers = new Map<string, Producer>();
  /** The muted state that the node confirmed last, by publication. */
  readonly #muted = new Map<string, boolean>();
  /** The server's answers to `publish`, by producer, until `publish` returns them. */
  readonly #published = new Map<string, Publication>();
  /** Numbers of consumers that are being negotiated, and that ever were. */
  #inNegotiation = 0;
  #begun = 0;
  /** The browser refused something, so nothing further is received. */
  #cannotReceive = false;
  #closed = false;

  constructor(options: MediaLinkOptions) {
    const { device, media, request, iceServers, unreceivable, onBroken, onIceErrorChanged } = options;
    this.nodeId = media.nodeId;
    this.recvTransportId = media.recv.id;
    this.request = request;
    this.#unreceivable = unreceivable;
    this.#onBroken = onBroken;
    this.#onIceErrorChanged = onIceErrorChanged;
    this.#iceServers = iceServers;
    this.#addresses = media.recv.iceCandidates;
    const transportOptions = (parameters: MediaSessionParameters['send']): TransportOptions => ({
      ...(parameters as unknown as TransportOptions),
      iceServers: iceServers(),
    });
    this.#send = device.createSendTransport(transportOptions(media.send));
    this.#recv = device.createRecvTransport(transportOptions(media.recv));
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
    let timer: ReturnType<typeof setTimeout> | undefined;
    const restartAfter = (ms: number, restart: () => void): void => {
      clearTimeout(timer);
      timer = setTimeout(restart, ms);
    };
    const fail = (): void => {
      if (this.#closed) return;
      this.#iceFailed.add(transport);
      this.#onIceErrorChanged();
      void this.#restartIce(transport);
      restartAfter(iceConnectsWithinMs, fail);
    };
    transport.on('connect', ({ dtlsParameters }, done, reject) => {
      restartAfter(iceConnectsWithinMs, fail);
      this.request('connect_transport', { transportId: transport.id, dtlsParameters }).then(() => done(), reject);
    });
    transport.on('connectionstatechange', (state) => {
      clearTimeout(timer);
      if (this.#closed) return;
      if (state === 'failed') fail();
      if (state === 'connecting') restartAfter(iceConnectsWithinMs, fail);
      if (state === 'disconnected') restartAfter(disconnectedGraceMs, () => void this.#restartIce(transport));
      if (state === 'connected' && this.#iceFailed.delete(transport)) this.#onIceErrorChanged();
    });
  }

  /** Restarts ICE; when the node does not have the transport any more, the link is broken. */
  async #restartIce(transport: Transport): Promise<void> {
    if (this.#closed) return;
    try {
      const { iceParameters } = await this.request('restart_ice', { transportId: transport.id });
      // Firefox keeps those that it began with.
      await transport.updateIceServers({ iceServers: this.#iceServers() }).catch((error: unknown) => {
        if (!isUnsupported(error)) throw error;
      });
      await transport.restartIce({
        iceParameters: iceParameters as Parameters<Transport['restartIce']>[0]['iceParameters'],
      });
    } catch {
      if (!this.#closed) this.#onBroken(this);
    }
  }

  /** Why media has no network path; undefined unless ICE failed and has not connected since. */
  get iceError(): FlotillaError | undefined {
    return this.#iceFailed.size > 0 ? sfuIceError(this.nodeId, this.#addresses) : undefined;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Nothing further can be received over this link: media must be opened again. */
  get cannotReceive(): boolean {
    return this.#cannotReceive;
  }

  // Sending.

  /** Sends a track. The track is never stopped, and pausing the producer is up to the caller. */
  async publish(
    announcement: Announcement,
    options: ProducerOptions,
  ): Promise<{ producer: Producer; publication: Publication }> {
    const producer = await this.#send.produce({ ...options, stopTracks: false, appData: { ...announcement } });
    if (producer.kind === 'video' && producer.rtpSender) sendKeyFrames(producer.rtpSender);
    this.#producers.set(announcement.publicationId, producer);
    this.#muted.set(announcement.publicationId, announcement.muted);
    const publication = this.#published.get(producer.id)!;
    this.#published.delete(producer.id);
    return { producer, publication };
  }

  /** The producer of a local publication on this link. */
  producer(publicationId: string): Producer | undefined {
    return this.#producers.get(publicationId);
  }

  async setMuted(publicationId: string, muted: boolean): Promise<void> {
    const producer = this.#producers.get(publicationId);
    if (!producer) return;
    if (muted) producer.pause();
    else producer.resume();
    await this.request('mute', { publicationId, muted });
    this.#muted.set(publicationId, muted);
  }

  isMuted(publicationId: string): boolean | undefined {
    return this.#muted.get(publicationId);
  }

  async unpublish(publicationId: string): Promise<void> {
    this.#producers.get(publicationId)?.close();
    this.#producers.delete(publicationId);
    this.#muted.delete(publicationId);
    await this.request('unpublish', { publicationId });
  }

  // Receiving.

  /** Requests publications; `receive` takes what the node answers. */
  async subscribe(publicationIds: readonly string[]): Promise<ReplyPayload<'subscribe'>> {
    for (const id of publicationIds) this.#requested.add(id);
    return this.request('subscribe', { publicationIds: [...publicationIds] });
  }

  async unsubscribe(publicationIds: readonly string[]): Promise<void> {
    await this.request('unsubscribe', { publicationIds: [...publicationIds] });
    for (const id of publicationIds) this.#requested.delete(id);
  }

  /** Whether the node sends the publication, or may do so as the outcome of a request is unknown. */
  mayReceive(publicationId: string): boolean {
    return this.#requested.has(publicationId);
  }

  /**
   * Starts to receive subscriptions. Returns the consumers by publication, without those that the browser refuses: see
   * `cannotReceive` then. Throws NODE_UNAVAILABLE when the link is closed.
   */
  async receive(subscriptions: readonly Subscription[]): Promise<Map<string, Consumer>> {
    for (const { publicationId } of subscriptions) this.#requested.add(publicationId);
    const { suspected = [], others = [] } = Object.groupBy(
      subscriptions.filter(({ publicationId, producerId }) => !this.#unreceivable.isRefused(publicationId, producerId)),
      ({ publicationId, producerId }) =>
        this.#unreceivable.isSuspected(publicationId, producerId) ? 'suspected' : 'others',
    );
    // Consumed in one turn, they share one negotiation.
    const received = await this.#receiveTogether(others);
    for (const subscription of suspected)
      for (const [id, consumer] of await this.#receiveTogether([subscription])) received.set(id, consumer);
    return received;
  }

  async #receiveTogether(subscriptions: readonly Subscription[]): Promise<Map<string, Consumer>> {
    if (this.#cannotReceive) return new Map();
    const consumers = subscriptions.map((subscription) => this.#consumerOf(subscription));
    const [inNegotiation, begun] = [this.#inNegotiation, this.#begun];
    const received = new Map<string, Consumer>();
    const outcomes = await Promise.allSettled(consumers);
    // Another one that was consumed meanwhile may be the one that the browser refuses.
    const isAlone = inNegotiation === 1 && begun === this.#begun;
    for (const [index, outcome] of outcomes.entries()) {
      const { publicationId, producerId } = subscriptions[index]!;
      if (outcome.status === 'fulfilled') {
        this.#unreceivable.forget(publicationId);
        received.set(publicationId, outcome.value);
      } else if (this.#closed) {
        throw outcome.reason;
      } else {
        const isRefused = isAlone && this.#unreceivable.isSuspected(publicationId, producerId);
        if (isRefused || isOwnFault(outcome.reason)) this.#unreceivable.refuse(publicationId, producerId);
        else this.#unreceivable.suspect(publicationId, producerId);
        this.#cannotReceive ||= !isOwnFault(outcome.reason);
      }
    }
    if (this.#cannotReceive) this.#onBroken(this);
    return received;
  }

  #consumerOf(subscription: Subscription): Promise<Consumer> {
    const { consumerId } = subscription;
    let consumer = this.#receiving.get(consumerId);
    if (!consumer) {
      this.#inNegotiation++;
      this.#begun++;
      consumer = this.#consume(subscription).finally(() => this.#inNegotiation--);
      this.#receiving.set(consumerId, consumer);
      // The next attempt may succeed.
      consumer.catch(() => this.#receiving.delete(consumerId));
    }
    return consumer;
  }

  async #consume(subscription: Subscription): Promise<Consumer> {
    const { publicationId, consumerId } = subscription;
    const consumer = await consume(this.#recv, subscription);
    const previous = this.#consumers.get(publicationId);
    if (previous) {
      this.closePrevious(publicationId);
      this.#previous.set(publicationId, previous);
    }
    this.#consumers.set(publicationId, consumer);
    consumer.observer.once('close', () => this.#receiving.delete(consumerId));
    return consumer;
  }

  /** Sends settings of subscriptions; those that the link does not receive are left out. */
  async updateSubscriptions(publicationIds: readonly string[], settings: SubscriptionSettings): Promise<void> {
    const received = publicationIds.filter((id) => this.#consumers.has(id));
    await Promise.all(
      chunks(received).map((ids) => this.request('update_subscriptions', { publicationIds: ids, ...settings })),
    );
  }

  consumer(publicationId: string): Consumer | undefined {
    return this.#consumers.get(publicationId);
  }

  /** The consumer that was replaced, until `closePrevious`. */
  previousConsumer(publicationId: string): Consumer | undefined {
    return this.#previous.get(publicationId);
  }

  /** The receivers of the publications that are received. */
  get receivers(): RTCRtpReceiver[] {
    return [...this.#consumers.values()].flatMap(({ rtpReceiver }) => rtpReceiver ?? []);
  }

  receiverOf(track: MediaStreamTrack): RTCRtpReceiver | undefined {
    for (const consumer of [...this.#consumers.values(), ...this.#previous.values()])
      if (consumer.track === track) return consumer.rtpReceiver;
    return undefined;
  }

  closePrevious(publicationId: string): void {
    this.#previous.get(publicationId)?.close();
    this.#previous.delete(publicationId);
  }

  /** Stops receiving a publication. */
  drop(publicationId: string): void {
    this.closePrevious(publicationId);
    this.#consumers.get(publicationId)?.close();
    this.#consumers.delete(publicationId);
  }

  /** Statistics of both directions. */
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
    this.#previous.clear();
    this.#producers.clear();
  }

  /**
   * Resolves when every transport in use is connected.
   * @throws FlotillaError ICE_FAILED when one is not within the time.
   */
  async established(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    for (const transport of [this.#send, this.#recv]) {
      // A transport connects when something is first sent or received through it.
      while (transport.connectionState !== 'connected' && transport.connectionState !== 'new') {
        if (this.#closed || transport.connectionState === 'failed' || performance.now() > deadline)
          throw sfuIceError(this.nodeId, this.#addresses);
        await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
      }
    }
  }
}
