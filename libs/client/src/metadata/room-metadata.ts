import { FleetClock, SourceTimes } from '@flotilla/clock/sync';
import { type ChannelKind, FlotillaError } from '@flotilla/contracts';
import type { AdaptiveChannel, Frame } from '@flotilla/data-channel';
import type { RemoteParticipant } from '../room/participant.ts';
import type { RoomState } from '../room/room-state.ts';
import type { SfuLinks } from '../sfu/links.ts';
import { FrameWatch } from './frame-watch.ts';
import type { MetadataData } from './message.ts';
import { RelayLink } from './relay-link.ts';
import { type MetadataHandler, type SubscribeOptions, Subscription } from './subscription.ts';
import { clockTopic, type PublishMetadataOptions, TopicPublisher } from './topic-publisher.ts';
import { TopicRequests } from './topic-requests.ts';

const checkIntervalMs = 50;
/** Pauses before a lost link is opened again, in milliseconds; the last one repeats. */
const retryPausesMs = [0, 250, 500, 1000, 2000, 4000, 8000] as const;
/**
 * Metadata of a room, by topic, on the fleet's clock. Uses a connection of its own to a metadata relay, which is opened at the
 * first use and reopened when it is lost.
 */
export class RoomMetadata {
  readonly #clock = new FleetClock();
  readonly #publisherTimes = new SourceTimes();
  readonly #publisher: TopicPublisher;
  readonly #subscriptions = new Set<Subscription>();
  readonly #watches = new Map<string, { readonly publicationId: string; readonly watch: FrameWatch }>();
  #link: RelayLink | undefined;
  #requests: TopicRequests | undefined;
  #linking: Promise<RelayLink> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  /** @internal */
  constructor(
    private readonly state: RoomState,
    private readonly links: SfuLinks,
  ) {
    this.#publisher = new TopicPublisher(state, this.#clock, () => this.#connected());
    state.changes.on('participantRemoved', (id) => this.#participantLeft(id));
    state.changes.on('closed', () => this.#close());
  }

  // Time.

  /** The fleet's time now, in milliseconds since the Unix epoch, with fractions. Never decreases. */
  now(): number {
    return this.#clock.now();
  }

  /** The fleet's time at a local time (`performance.now()`), such as that at which a frame was drawn or captured. */
  timeOf(localMs: number): number {
    return this.#clock.at(localMs);
  }

  /** The largest error of `now`, in milliseconds; Infinity before the first measurement. */
  get errorBoundMs(): number {
    return this.#clock.errorBoundMs;
  }

  /** Round-trip time in milliseconds and loss (0 to 1) of the path to the relay; undefined before the first measurement. */
  get path(): { readonly rttMs: number; readonly loss: number } | undefined {
    return this.#link?.path;
  }

  /** The channel of adaptive topics now: `limited` (up to three retransmissions) or `unreliable` (none). */
  get adaptiveChannel(): AdaptiveChannel {
    return this.#publisher.adaptiveChannel;
  }

  /**
   * Resolves when the connection is open and the fleet's time is known.
   * @throws FlotillaError NODE_UNAVAILABLE when no relay can be reached, or NOT_IN_ROOM when the room is closed
   */
  async ready(): Promise<void> {
    await this.#connected();
    while (!this.#clock.calibrated) {
      await pause(checkIntervalMs);
      if (this.#closed) throw new FlotillaError('NOT_IN_ROOM');
    }
  }

  // Publishing.

  /**
   * Publishes a message. Resolves to true when it was given to the browser to send, and to false when it was dropped: because
   * the path is too slow, which never happens in mode `reliable`, or because the link was lost while it was being sent. When
   * the relay or its link fails, messages that it has not forwarded are lost in every mode; subscribers get `onLost`.
   *
   * @param topic 1 to 128 letters, digits and `_ . / : -`
   * @throws FlotillaError FORBIDDEN without the grant `publish`, TOPIC_CONFLICT, TOO_MANY_TOPICS, NODE_UNAVAILABLE, or
   *   RATE_LIMITED when 1,024 reliable messages of the topic wait to be sent
   */
  publish(topic: string, data: MetadataData, options: PublishMetadataOptions = {}): Promise<boolean> {
    return this.#publisher.publish(topic, data, options);
  }

  // Subscribing.

  /**
   * Subscribes to a topic, or to all (`*`). The handler gets messages in order for each publisher, retained ones first.
   * Resolves when the relay has confirmed it, to a function that ends the subscription.
   * @throws FlotillaError FORBIDDEN without the grant `subscribe`, TOO_MANY_TOPICS or NODE_UNAVAILABLE
   */
  async subscribe(topic: string, handler: MetadataHandler, options: SubscribeOptions = {}): Promise<() => void> {
    const subscription = new Subscription(topic, handler, options);
    this.#subscriptions.add(subscription);
    this.#timer ??= setInterval(() => this.#check(), checkIntervalMs);
    try {
      await this.#request(subscription.aligns ? [topic, clockTopic] : [topic]);
    } catch (error) {
      this.#subscriptions.delete(subscription);
      throw error;
    }
    return () => this.#unsubscribe(subscription);
  }

  /** Subscribes on the current link; again when it is replaced meanwhile. */
  async #request(topics: readonly string[]): Promise<void> {
    for (;;) {
      const link = await this.#connected();
      try {
        return await this.#requests?.subscribe(topics);
      } catch (error) {
        if (this.#closed || (link === this.#link && !link.closed)) throw error;
      }
    }
  }

  #unsubscribe(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription)) return;
    subscription.close();
    // A link that is being opened subscribes to what is left.
    this.#requests?.unsubscribe(subscription.topic).catch(() => undefined);
  }

  /** Topics of all subscriptions. */
  #subscribedTopics(): string[] {
    const topics = new Set([...this.#subscriptions].map(({ topic }) => topic));
    if ([...this.#subscriptions].some(({ aligns }) => aligns)) topics.add(clockTopic);
    return [...topics];
  }

  #onFrame({ body, stamp }: Frame, channel: ChannelKind): void {
    switch (body.case) {
      case 'shard': {
        if (!stamp) return;
        if (body.value.topic === clockTopic) this.#receiveClock(stamp.publisherId, body.value.payload);
        const isUnreliable = stamp.once || channel === 'unreliable';
        for (const subscription of this.#subscriptions)
          if (subscription.matches(body.value.topic)) subscription.accept(body.value, stamp, isUnreliable);
        return;
      }
      case 'lossNotice': {
        const { topic, publisherId, fromSeqId, toSeqId } = body.value;
        for (const subscription of this.#subscriptions)
          if (subscription.matches(topic)) subscription.skip(topic, publisherId, fromSeqId, toSeqId);
        return;
      }
      default:
      // A change of the channel needs no action: messages are ordered by their ids.
    }
  }

  #receiveClock(publisherId: string, payload: Uint8Array): void {
    try {
      const { wall, fleet } = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>;
      if (Number.isFinite(wall) && Number.isFinite(fleet))
        this.#publisherTimes.calibrate(publisherId, wall as number, fleet as number);
    } catch {
      // The application uses the topic for other data.
    }
  }

  /** Delivers what has waited too long for a frame, and watches the cameras that subscriptions align with. */
  #check(): void {
    for (const subscription of this.#subscriptions) subscription.expire();
    const aligns = [...this.#subscriptions].some((subscription) => subscription.aligns);
    for (const [participantId, participant] of this.state.participants) {
      const video = aligns && this.#publisherTimes.has(participantId) ? cameraOf(participant) : undefined;
      if (this.#watches.get(participantId)?.publicationId === video?.id) continue;
      this.#watches.get(participantId)?.watch.stop();
      this.#watches.delete(participantId);
      if (!video) continue;
      const watch = new FrameWatch(video, this.links, (capturedMs) => this.#onPresented(participantId, capturedMs));
      this.#watches.set(participantId, { publicationId: video.id, watch });
    }
  }

  #onPresented(participantId: string, capturedMs: number): void {
    const captureTime = this.#publisherTimes.ptsNtp(participantId, capturedMs);
    if (captureTime === undefined) return;
    for (const subscription of this.#subscriptions)
      if (subscription.aligns) subscription.frame(participantId, captureTime);
  }

  #participantLeft(participantId: string): void {
    this.#watches.get(participantId)?.watch.stop();
    this.#watches.delete(participantId);
    this.#publisherTimes.forget(participantId);
    for (const subscription of this.#subscriptions) subscription.removeParticipant(participantId);
  }

  // The link.

  #connected(exceptRelay?: string): Promise<RelayLink> {
    if (this.#closed) return Promise.reject(new FlotillaError('NOT_IN_ROOM'));
    if (this.#link && !this.#link.closed) return Promise.resolve(this.#link);
    this.#linking ??= this.#open(exceptRelay).finally(() => (this.#linking = undefined));
    return this.#linking;
  }

  async #open(exceptRelay?: string): Promise<RelayLink> {
    const link = await RelayLink.open(
      {
        connect: (payload) => this.state.request('metadata.connect', payload),
        report: (relayId, report) => this.state.request('metadata.report', { relayId, ...report }),
        iceServers: this.state.iceServers,
        clock: this.#clock,
        onFrame: (frame, channel) => this.#onFrame(frame, channel),
        onLost: (lost) => void this.#onLost(lost),
      },
      exceptRelay,
    );
    if (this.#closed) {
      link.close();
      throw new FlotillaError('NOT_IN_ROOM');
    }
    this.#link = link;
    this.#requests = new TopicRequests(link.relayId, {
      request: (type, payload) => this.state.request(type, payload),
      topics: () => this.#subscribedTopics(),
    });
    return link;
  }

  async #onLost(lost: RelayLink): Promise<void> {
    if (lost === this.#link) await this.#reconnect(undefined);
  }

  /** @internal The session is assigned to another relay, as this one drains or is lost. */
  async moved(relayId: string, reason: 'draining' | 'lost'): Promise<void> {
    const previous = this.#link;
    if (previous?.relayId !== relayId) return;
    // The previous link stays open until the new one is; messages that arrive on both are delivered once.
    this.#link = undefined;
    this.#requests = undefined;
    await this.#reconnect(relayId);
    if (reason === 'draining') await this.state.request('metadata.disconnect', { relayId }).catch(() => undefined);
    previous.close();
  }

  /** Opens a link, and subscribes and declares everything on it. */
  async #reconnect(exceptRelay: string | undefined): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt++) {
      await pause(retryPausesMs[Math.min(attempt, retryPausesMs.length - 1)]!);
      try {
        await this.#connected(attempt === 0 ? exceptRelay : undefined);
        await Promise.all([this.#requests?.subscribeToAll(), this.#publisher.declareAll()]);
        return;
      } catch {
        // Repeated until the room is closed.
      }
    }
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    for (const { watch } of this.#watches.values()) watch.stop();
    for (const subscription of this.#subscriptions) subscription.close();
    this.#link?.close();
  }
}

function cameraOf({ publications }: RemoteParticipant) {
  return [...publications.values()].find(({ kind, source }) => kind === 'video' && source === 'camera');
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
