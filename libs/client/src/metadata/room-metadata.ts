import { FleetClock, SourceTimes } from '@flotilla/clock/sync';
import { type ChannelKind, FlotillaError, type TopicMode } from '@flotilla/contracts';
import {
  type AdaptiveChannel,
  channelFor,
  encodeFrame,
  type Frame,
  frameOverhead,
  initialMode,
  type ModeState,
  nextMode,
  split,
} from '@flotilla/data-channel';
import type { RemoteParticipant } from '../room/participant.ts';
import type { RoomState } from '../room/room-state.ts';
import type { SfuLinks } from '../sfu/links.ts';
import { FrameWatch } from './frame-watch.ts';
import { bytesOf, type MetadataData } from './message.ts';
import { RelayLink } from './relay-link.ts';
import { type MetadataHandler, type SubscribeOptions, Subscription } from './subscription.ts';

/** Where publishers say how their clock stands to the fleet's; those who align by frames listen. */
const clockTopic = 'flotilla.clock';
const tellClockEveryMs = 5000;
const lookEveryMs = 50;
const adaptEveryMs = 250;
/** A link that was lost is brought back after these pauses, the last one again and again. */
const retryPausesMs = [0, 250, 500, 1000, 2000, 4000, 8000] as const;
/** What may be lost is rather dropped than sent late: when this much waits in the browser, or, of what is sent once, for so long. */
const lateBytes = 64 * 1024;
const lateMs = 100;
/** The same while there is no link: it waits this long for one, unless it is to be retained. */
const lateWithoutLinkMs = 2000;
/** Messages of a topic that may wait for their turn. */
const maxWaiting = 1024;

export interface PublishMetadataOptions {
  /** When what it describes was captured, ms of the fleet's time: see `now` and `timeOf`. */
  readonly captureTime?: number;
  /**
   * `adaptive` (default): sent again up to three times while the path is good, once while it is bad. `reliable`: until it is
   * there. `unreliable`: once. All who publish a topic say the same.
   */
  readonly mode?: TopicMode;
  /** The relay keeps it, as the last one, for those who subscribe later. */
  readonly retain?: boolean;
  /** Of a long message: bytes handed to the network so far. */
  readonly onProgress?: (sentBytes: number, size: number) => void;
}

interface Declared {
  mode: TopicMode;
  retain: boolean;
  /** The link over which it was declared. */
  link: RelayLink | undefined;
  nextSeqId: number;
  /** Messages that wait for their turn, and the last of them: they go in the order of their calls, whatever each waits for. */
  waiting: number;
  last: Promise<unknown>;
}

/**
 * Data that belongs to the media of a room: by topic, over a connection of its own to a metadata relay, on the fleet's clock.
 * It connects when it is first used and comes back by itself.
 */
export class RoomMetadata {
  readonly #clock = new FleetClock();
  readonly #publisherTimes = new SourceTimes();
  readonly #topics = new Map<string, Declared>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #watches = new Map<string, { readonly publicationId: string; readonly watch: FrameWatch }>();
  #link: RelayLink | undefined;
  #linking: Promise<RelayLink> | undefined;
  #mode: ModeState = initialMode(performance.now());
  #adaptedAt = -Infinity;
  #toldClockAt = -Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  /** @internal */
  constructor(
    private readonly state: RoomState,
    private readonly links: SfuLinks,
  ) {
    state.changes.on('participantRemoved', (id) => this.#participantLeft(id));
    state.changes.on('closed', () => this.#close());
  }

  // Time.

  /** The fleet's time now, ms since the Unix epoch with digits below the ms. It never goes back. */
  now(): number {
    return this.#clock.now();
  }

  /** The fleet's time at a moment of this page, such as `performance.now()` when a frame was drawn or captured. */
  timeOf(localMs: number): number {
    return this.#clock.at(localMs);
  }

  /** How far `now` may be off, ms; Infinity until the relay was asked. */
  get errorBoundMs(): number {
    return this.#clock.errorBoundMs;
  }

  /** Round trip and loss of the path to the relay; undefined while nothing is known. */
  get path(): { readonly rttMs: number; readonly loss: number } | undefined {
    return this.#link?.path;
  }

  /** How adaptive topics are sent now: `limited` (again up to three times) or `unreliable` (once). */
  get adaptiveChannel(): AdaptiveChannel {
    return this.#mode.channel;
  }

  /** Resolves when the connection is there and the fleet's time is known. */
  async ready(): Promise<void> {
    await this.#connected();
    while (!this.#clock.calibrated && !this.#closed) await pause(lookEveryMs);
  }

  // Publishing.

  /**
   * Publishes on a topic: 1 to 128 letters, digits and `_ . / : -`. Resolves when it was handed to the network: to true, or to
   * false when it may be lost and was not sent, as the network does not keep up. When the relay or the link to it dies, what it
   * had not passed on yet is lost, of reliable topics too; subscribers are told of the hole (`onLost`).
   *
   * @throws FlotillaError FORBIDDEN without the grant `publish`, TOPIC_CONFLICT, TOO_MANY_TOPICS, NODE_UNAVAILABLE, RATE_LIMITED when
   *   1,024 messages of the topic wait already
   */
  async publish(topic: string, data: MetadataData, options: PublishMetadataOptions = {}): Promise<boolean> {
    const { mode = 'adaptive', retain = false } = options;
    const declared = this.#declare(topic, mode, retain);
    const bytes = bytesOf(data);
    if (declared.waiting >= maxWaiting) {
      if (mode !== 'reliable') return false;
      throw new FlotillaError('RATE_LIMITED', `${maxWaiting} messages on ${topic} wait to be sent`);
    }
    declared.waiting++;
    const calledAt = performance.now();
    const sent = declared.last.then(() => this.#send(topic, declared, bytes, calledAt, options));
    declared.last = sent.catch(() => undefined);
    return sent.finally(() => declared.waiting--);
  }

  async #send(
    topic: string,
    declared: Declared,
    bytes: Uint8Array,
    calledAt: number,
    { captureTime, retain = false, onProgress }: PublishMetadataOptions,
  ): Promise<boolean> {
    const { mode } = declared;
    let link = await this.#declaredOn(topic, declared);
    if (captureTime !== undefined && topic !== clockTopic) this.#tellClock();
    const channel = channelFor(mode, this.#adapt(link));
    const isLate = performance.now() - calledAt > lateWithoutLinkMs;
    if (channel !== 'reliable' && isLate && !retain) return false;
    if (channel === 'reliable') {
      if (!(await link.roomy(channel))) link = await this.#declaredOn(topic, declared);
    } else if (link.waiting(channel) > lateBytes || (channel === 'unreliable' && link.waitedMs(channel) > lateMs)) {
      return false;
    }
    const seqId = declared.nextSeqId++;
    let sent = 0;
    for (const part of split(bytes, link.maxFrameBytes - frameOverhead)) {
      const value = {
        topic,
        seqId,
        captureTime: captureTime === undefined ? 0 : captureTime * 1000,
        reliable: channel === 'reliable',
        retain,
        ...part,
      };
      if (part.index > 0 && channel === 'reliable') await link.roomy(channel);
      if (!link.send(channel, encodeFrame({ body: { case: 'shard', value } }))) return false;
      sent += part.payload.length;
      onProgress?.(sent, bytes.length);
    }
    return true;
  }

  #declare(topic: string, mode: TopicMode, retain: boolean): Declared {
    const known = this.#topics.get(topic);
    if (!known) {
      const declared = { mode, retain, link: undefined, nextSeqId: 0, waiting: 0, last: Promise.resolve() };
      this.#topics.set(topic, declared);
      return declared;
    }
    // What one message asks to be retained, all of its topic are.
    const retained = retain || known.retain;
    if (known.mode !== mode || known.retain !== retained)
      Object.assign(known, { mode, retain: retained, link: undefined });
    return known;
  }

  async #declaredOn(topic: string, declared: Declared): Promise<RelayLink> {
    const link = await this.#connected();
    if (declared.link === link) return link;
    const { mode, retain } = declared;
    await this.state.request('metadata.publish', { relayId: link.relayId, topic, mode, retain });
    declared.link = link;
    return link;
  }

  #adapt(link: RelayLink): AdaptiveChannel {
    const now = performance.now();
    if (now - this.#adaptedAt >= adaptEveryMs) {
      this.#adaptedAt = now;
      const bufferedBytes = Math.max(link.waiting('limited'), link.waiting('unreliable'));
      this.#mode = nextMode(this.#mode, { ...(link.path ?? { rttMs: 0, loss: 0 }), bufferedBytes }, now);
    }
    return this.#mode.channel;
  }

  /** Frames carry when they were captured by this machine's wall clock: others learn how that stands to the fleet's time. */
  #tellClock(): void {
    const now = performance.now();
    if (now - this.#toldClockAt < tellClockEveryMs || !this.#clock.calibrated) return;
    this.#toldClockAt = now;
    this.publish(clockTopic, { wall: wallClock(), fleet: this.now() }, { retain: true }).catch(() => {
      this.#toldClockAt = -Infinity;
    });
  }

  // Subscribing.

  /**
   * Hands what is published on a topic, or on all (`*`), to the handler: in order for each publisher, from what is retained
   * on. Resolves when the relay knows of it. The result ends it.
   */
  async subscribe(topic: string, handler: MetadataHandler, options: SubscribeOptions = {}): Promise<() => void> {
    const subscription = new Subscription(topic, handler, options);
    this.#subscriptions.add(subscription);
    this.#timer ??= setInterval(() => this.#look(), lookEveryMs);
    try {
      const link = await this.#connected();
      await this.#ask(link, subscription.aligns ? [topic, clockTopic] : [topic]);
    } catch (error) {
      this.#subscriptions.delete(subscription);
      throw error;
    }
    return () => this.#unsubscribe(subscription);
  }

  async #ask(link: RelayLink, topics: readonly string[]): Promise<void> {
    const all = topics.includes('*');
    const named = topics.filter((topic) => topic !== '*');
    const { relayId } = link;
    if (all) await this.state.request('metadata.subscribe', { relayId, topics: '*' });
    if (named.length > 0) await this.state.request('metadata.subscribe', { relayId, topics: [...named] });
  }

  #unsubscribe(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription)) return;
    subscription.close();
    const { topic } = subscription;
    const link = this.#link;
    const wanted = [...this.#subscriptions].some((other) => other.topic === topic);
    if (!link || wanted || this.#closed) return;
    this.state
      .request('metadata.unsubscribe', { relayId: link.relayId, topics: topic === '*' ? '*' : [topic] })
      // `*` ends all of them.
      .then(() => (topic === '*' ? this.#ask(link, this.#wantedTopics()) : undefined))
      .catch(() => undefined);
  }

  #wantedTopics(): string[] {
    const topics = new Set([...this.#subscriptions].map(({ topic }) => topic));
    if ([...this.#subscriptions].some(({ aligns }) => aligns)) topics.add(clockTopic);
    return [...topics];
  }

  #onFrame({ body, stamp }: Frame, channel: ChannelKind): void {
    switch (body.case) {
      case 'shard': {
        if (!stamp) return;
        if (body.value.topic === clockTopic) this.#takeClock(stamp.publisherId, body.value.payload);
        const once = stamp.once || channel === 'unreliable';
        for (const subscription of this.#subscriptions)
          if (subscription.takes(body.value.topic)) subscription.accept(body.value, stamp, once);
        return;
      }
      case 'lossNotice': {
        const { topic, publisherId, fromSeqId, toSeqId } = body.value;
        for (const subscription of this.#subscriptions)
          if (subscription.takes(topic)) subscription.skip(topic, publisherId, fromSeqId, toSeqId);
        return;
      }
      default:
      // A switch of channels needs nothing here: frames are put in order by their ids, whichever way they came.
    }
  }

  #takeClock(publisherId: string, payload: Uint8Array): void {
    try {
      const { wall, fleet } = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>;
      if (Number.isFinite(wall) && Number.isFinite(fleet))
        this.#publisherTimes.calibrate(publisherId, wall as number, fleet as number);
    } catch {
      // Somebody else uses the topic for something else.
    }
  }

  /** What waits too long is let go; who aligns watches the video of everybody it comes from. */
  #look(): void {
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
    for (const subscription of this.#subscriptions) subscription.forget(participantId);
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
    return link;
  }

  async #onLost(lost: RelayLink): Promise<void> {
    if (lost === this.#link) await this.#comeBack(undefined);
  }

  /** @internal The relay asks its clients to go to another, or is gone. */
  async moved(relayId: string, reason: 'draining' | 'lost'): Promise<void> {
    const former = this.#link;
    if (former?.relayId !== relayId) return;
    // Until the new link is there the former one goes on; what comes over both is taken once.
    this.#link = undefined;
    await this.#comeBack(relayId);
    if (reason === 'draining') await this.state.request('metadata.disconnect', { relayId }).catch(() => undefined);
    former.close();
  }

  /** Opens a link and asks over it for all that was asked for. */
  async #comeBack(exceptRelay: string | undefined): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt++) {
      await pause(retryPausesMs[Math.min(attempt, retryPausesMs.length - 1)]!);
      try {
        const link = await this.#connected(attempt === 0 ? exceptRelay : undefined);
        await Promise.all([
          this.#ask(link, this.#wantedTopics()),
          ...[...this.#topics].map(([topic, declared]) => this.#declaredOn(topic, declared)),
        ]);
        return;
      } catch {
        // Again, until the room is over.
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

/**
 * What the browser stamps frames with: the wall clock as it was once, carried on by one that is never set (libwebrtc,
 * TimeMicrosToNtp). `Date.now` follows every correction of the machine's clock: it drifts away from that.
 */
const wallClock = (): number => performance.timeOrigin + performance.now();

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
