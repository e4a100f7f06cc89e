import {
  type ChannelKind,
  FlotillaError,
  type LinkReport,
  maxMetadataFrameBytes,
  maxTopicsPerRoom,
  maxTopicsPerSession,
  type RetainedMessage,
  type TopicDeclaration,
  type TopicInfo,
  type TopicMode,
  type TopicSelection,
} from '@flotilla/contracts';
import { decodeFrame, encodeFrame, FrameError, type Frame, type Shard, stampFrame } from '@flotilla/data-channel';
import { injectTrace, inSpan, type TraceCarrier } from '@flotilla/runtime';
import type { RetainedKey } from '@flotilla/store';
import { bytesIn, bytesOut, evictions, framesDropped, framesIn, framesOut } from '../metrics.ts';
import { AbsentPublishers } from './absent-publishers.ts';
import { LinkChannels, type RoutingClock } from './link-channels.ts';
import { type LinkLimits, LinkState } from './link-state.ts';
import { EvictableValues } from './evictable.ts';
import type { Outlet, RoutedFrame } from './outlet.ts';
import { RoomBudget } from './room-budget.ts';
import { maxStreams, type PublisherStream, type Topic } from './topic.ts';
import { Topics } from './topics.ts';

/** Why a link is closed that sent more invalid frames than are tolerated. */
const tooManyInvalidFrames = 'too many invalid frames';

/**
 * Routing of the frames of one room: which links may publish a topic, over which channel each subscriber gets it, and which messages
 * are retained for later subscribers. Without I/O: methods take what was received, and the outlet gets the resulting operations.
 */
export class RoomRouting {
  readonly #topics = new Topics((user) => this.#evictValue(user));
  readonly #links = new Map<string, LinkState>();
  /** Flow control of the links' channels. */
  readonly channels: LinkChannels;
  readonly #budget: RoomBudget;
  readonly #absent = new AbsentPublishers();
  readonly #evictable = new EvictableValues();
  #shared = false;
  /** What the store has is within the limits: nothing is evicted for it. */
  #restoring = false;

  constructor(
    private readonly outlet: Outlet,
    private readonly options: { readonly limits: LinkLimits; readonly roomBytesPerSecond: number },
    private readonly clock: RoutingClock,
  ) {
    this.#budget = new RoomBudget(options.roomBytesPerSecond, clock.monotonicMs());
    this.channels = new LinkChannels(this.#links, this.#topics, outlet, clock);
  }

  open(linkId: string, publisherId: string, userId: string): void {
    this.join(publisherId);
    const now = this.clock.monotonicMs();
    const sender = this.#budget.newSender(now);
    this.#links.set(linkId, new LinkState(linkId, publisherId, userId, this.options.limits, sender, now));
  }

  close(linkId: string): void {
    const link = this.#links.get(linkId);
    if (!link) return;
    this.#links.delete(linkId);
    for (const name of link.declared) this.#topics.get(name)?.publishers.delete(linkId);
    for (const topic of this.#topics) topic.subscribers.delete(linkId);
    this.#dropIdle();
  }

  /** The data channels of a link are open: retained messages are sent. */
  onReady(linkId: string): void {
    const link = this.#links.get(linkId);
    if (!link || link.ready) return;
    link.ready = true;
    for (const topic of this.#topics) if (topic.subscribers.has(linkId)) this.#sendRetained(topic, link);
  }

  #link(linkId: string): LinkState {
    const link = this.#links.get(linkId);
    if (!link) throw new FlotillaError('METADATA_NOT_OPEN');
    return link;
  }

  /**
   * Declares a topic of a link. Idempotent.
   *
   * @throws FlotillaError TOPIC_CONFLICT when the topic is published in another mode; TOO_MANY_TOPICS at the limit of the session or
   * the room.
   */
  publish(linkId: string, { topic: name, mode, retain }: TopicDeclaration): TopicInfo {
    const link = this.#link(linkId);
    if (!link.declared.has(name) && link.declared.size >= maxTopicsPerSession)
      throw new FlotillaError('TOO_MANY_TOPICS', `a session may publish ${maxTopicsPerSession} topics`);
    // Its previous link was perhaps at another relay.
    this.#topics.get(name)?.remotePublishers.delete(link.publisherId);
    const topic = this.#declared(link, name, mode);
    topic.retain ||= retain;
    topic.publishers.add(linkId);
    link.declared.add(name);
    const trace = injectTrace();
    if (Object.keys(trace).length > 0) link.traces.set(name, trace);
    return topic.info;
  }

  /** The topic in a mode. Its only publisher may change the mode, unless others that have not left retain values there. */
  #declared(link: LinkState, name: string, mode: TopicMode): Topic {
    const known = this.#topics.get(name);
    if (known && known.mode !== mode) {
      if (this.#isHeld(known, link)) throw new FlotillaError('TOPIC_CONFLICT', `${name} is published as ${known.mode}`);
      this.#drop(known);
    }
    const topic = this.#topic(name, mode);
    if (!topic) throw new FlotillaError('TOO_MANY_TOPICS', `a room may have ${maxTopicsPerRoom} topics`);
    return topic;
  }

  /**
   * The topic, created with its subscribers when missing. At the limit of the room it replaces one of which only values of publishers that
   * have left are there. Undefined when there is none.
   */
  #topic(name: string, mode: TopicMode): Topic | undefined {
    const known = this.#topics.get(name);
    if (known) return known;
    const topic = this.#topics.create(name, mode) ?? (this.#evictTopic() && this.#topics.create(name, mode));
    if (!topic) return undefined;
    for (const link of this.#links.values()) if (link.isSubscribedTo(name)) this.#attach(topic, link);
    return topic;
  }

  /** Whether a topic has publishers, or values of publishers that have not left; of others than a link. */
  #isHeld(topic: Topic, exceptLink?: LinkState): boolean {
    const isHeldBy = ([publisherId, { retained }]: [string, PublisherStream]): boolean =>
      publisherId !== exceptLink?.publisherId && !retained.isEmpty && !this.#evictable.isLeft(topic, publisherId);
    return topic.hasPublisher(exceptLink?.id) || [...topic.streams].some(isHeldBy);
  }

  unpublish(linkId: string, name: string): void {
    const link = this.#link(linkId);
    const topic = this.#topics.get(name);
    // A value may be from a previous link of the publisher.
    if (!link.declared.delete(name) && !topic?.streams.has(link.publisherId)) return;
    link.traces.delete(name);
    topic?.publishers.delete(linkId);
    topic?.remotePublishers.delete(link.publisherId);
    if (topic) this.#forgetHere(topic, link.publisherId);
    this.outlet.forget({ topic: name, publisherId: link.publisherId, userId: link.userId });
    this.#dropIdle();
  }

  /** Another relay deleted a value, or its publisher has the topic no more. */
  forgetRemote({ topic: name, publisherId }: RetainedKey): void {
    const topic = this.#topics.get(name);
    topic?.remotePublishers.delete(publisherId);
    if (topic) this.#forgetHere(topic, publisherId);
    this.#dropIdle();
  }

  /** Publishers left the room. Their retained values stay until there is need of their place. */
  leave(publisherIds: readonly string[]): void {
    for (const id of publisherIds) {
      this.#absent.add(id, 'left');
      for (const topic of this.#topics) {
        topic.remotePublishers.delete(id);
        this.#evictable.add(topic, id, true);
      }
    }
    this.#dropIdle();
  }

  /** Publishers lost their signaling connection. Other participants of their user may evict their values until they are connected again. */
  detach(publisherIds: readonly string[]): void {
    for (const id of publisherIds)
      if (!this.#absent.has(id)) for (const topic of this.#topics) this.#evictable.add(topic, id, false);
  }

  /** A publisher has a signaling connection again. */
  attach(publisherId: string): void {
    if (!this.#absent.has(publisherId)) this.#evictable.deleteOf(publisherId);
  }

  /**
   * Publishers may publish no more, as they were removed for example: frames of theirs are dropped, and their values here. The store has
   * deleted these already, and every relay gets the event: a deletion that arrived late could hit a newer value.
   */
  bar(publisherIds: readonly string[]): void {
    for (const id of publisherIds) {
      this.#absent.add(id, 'barred');
      for (const topic of this.#topics) {
        topic.remotePublishers.delete(id);
        this.#forgetHere(topic, id);
      }
      this.outlet.cancel(id);
    }
    this.#dropIdle();
  }

  /** A publisher got the grant `publish`. */
  admit(publisherId: string): void {
    this.#evictable.deleteOf(publisherId);
    this.#absent.delete(publisherId);
  }

  /** A publisher joined the room, or opened a link: its sequence ids may begin anew. */
  join(publisherId: string): void {
    this.admit(publisherId);
    for (const topic of this.#topics) topic.restart(publisherId);
  }

  /** Events were missed: which publishers have left, are reconnecting, may publish no more or joined again is unknown until it is read. */
  resync(): void {
    this.#absent.clear();
    this.#evictable.clear();
    for (const topic of this.#topics) for (const id of topic.streams.keys()) topic.restart(id);
  }

  /** Publishers of which frames or values are known. */
  get publisherIds(): string[] {
    return [
      ...new Set(
        [...this.#topics].flatMap(({ streams, remotePublishers }) => [...streams.keys(), ...remotePublishers]),
      ),
    ];
  }

  /** Drops a publisher's stream, and its value wherever it is. */
  #forget(topic: Topic, publisherId: string): void {
    const stream = topic.streams.get(publisherId);
    const isRetained = stream?.retained.seqId !== undefined;
    this.#forgetHere(topic, publisherId);
    if (isRetained) this.outlet.forget({ topic: topic.name, publisherId, userId: stream?.userId });
  }

  /** Drops a publisher's stream, and its value at this relay. */
  #forgetHere(topic: Topic, publisherId: string): void {
    topic.forget(publisherId);
    this.#evictable.delete(topic, publisherId);
  }

  /** The stream of a publisher. For a new one at the maximum of a topic, one without a value is dropped, if there is any. */
  #stream(topic: Topic, publisherId: string, userId: string | undefined): PublisherStream {
    if (topic.streams.size >= maxStreams && !topic.streams.has(publisherId))
      for (const [surplus, { retained }] of topic.streams) {
        if (!retained.isEmpty) continue;
        topic.forget(surplus);
        break;
      }
    return topic.stream(publisherId, userId);
  }

  /** Deletes a retained value; see `Evict`. */
  #evictValue(user?: string): boolean {
    if (this.#restoring) return false;
    const value = this.#evictable.first(user);
    if (!value) return false;
    evictions.inc();
    this.#forget(value.topic, value.publisherId);
    return true;
  }

  /** Drops a topic that has no publisher and only values of publishers that have left. Returns whether there was one. */
  #evictTopic(): boolean {
    if (this.#restoring) return false;
    const left = [...this.#topics].find((topic) => !this.#isHeld(topic));
    if (!left) return false;
    for (const { retained } of left.streams.values()) if (!retained.isEmpty) evictions.inc();
    this.#drop(left);
    return true;
  }

  #dropIdle(): void {
    for (const topic of this.#topics) if (topic.idle) this.#drop(topic);
  }

  #drop(topic: Topic): void {
    for (const linkId of topic.subscribers) this.#detach(topic, this.#links.get(linkId)!);
    for (const publisherId of [...topic.streams.keys()]) this.#forget(topic, publisherId);
    this.#topics.delete(topic);
  }

  /**
   * Subscribes a link to topics, existing or not. Returns the existing ones of the selection.
   *
   * @throws FlotillaError TOO_MANY_TOPICS at the limit of the session.
   */
  subscribe(linkId: string, selection: TopicSelection): TopicInfo[] {
    const link = this.#link(linkId);
    if (selection === '*') link.subscribedToAll = true;
    else {
      if (new Set([...link.subscribed, ...selection]).size > maxTopicsPerSession)
        throw new FlotillaError('TOO_MANY_TOPICS', `a session may subscribe to ${maxTopicsPerSession} topics by name`);
      for (const name of selection) link.subscribed.add(name);
    }
    const selected = [...this.#topics].filter(({ name }) => selection === '*' || selection.includes(name));
    for (const topic of selected) if (!topic.subscribers.has(linkId)) this.#attach(topic, link);
    return selected.map(({ info }) => info);
  }

  unsubscribe(linkId: string, selection: TopicSelection): void {
    const link = this.#link(linkId);
    if (selection === '*') {
      link.subscribedToAll = false;
      link.subscribed.clear();
    } else for (const name of selection) link.subscribed.delete(name);
    for (const topic of this.#topics)
      if (topic.subscribers.has(linkId) && !link.isSubscribedTo(topic.name)) this.#detach(topic, link);
  }

  #attach(topic: Topic, link: LinkState): void {
    topic.subscribers.add(link.id);
    // Retained messages are sent before any newer frame.
    this.#sendRetained(topic, link);
    this.outlet.addSubchannel(link.id, link.channelFor(topic.mode), topic.subchannel);
  }

  #detach(topic: Topic, link: LinkState): void {
    topic.subscribers.delete(link.id);
    this.outlet.removeSubchannel(link.id, link.channelFor(topic.mode), topic.subchannel);
  }

  #sendRetained(topic: Topic, link: LinkState): void {
    if (!link.ready) return;
    const routedAt = this.clock.fleetMicros();
    for (const [publisherId, { retained }] of topic.streams)
      for (const frame of retained.frames)
        this.channels.send(link, 'reliable', stampFrame(frame, { publisherId, routedAt, retained: true }));
  }

  /** Routes a frame of a client. Invalid frames are dropped and counted; a link with too many of them is closed. */
  receive(linkId: string, channel: ChannelKind, bytes: Uint8Array): void {
    const link = this.#links.get(linkId);
    if (!link) return;
    const arrivedAt = this.clock.fleetMicros();
    const now = this.clock.monotonicMs();
    framesIn.inc({ from: 'link' });
    bytesIn.inc(bytes.length);
    if (!link.admits(bytes.length, now)) return framesDropped.inc({ reason: 'rate' });
    let frame: Frame;
    try {
      frame = decodeFrame(bytes, 'publisher', maxPublisherFrameBytes);
    } catch (error) {
      return this.#refuse(link, error instanceof FrameError ? error.code : 'malformed', now);
    }
    if (frame.body.case === 'timeRequest') return this.#answerTime(link, channel, frame.body.value.t1, arrivedAt);
    // A publisher's switch of channels needs no action: frames are forwarded as they arrive, and subscribers order them by id.
    if (frame.body.case !== 'shard') return;
    const shard = frame.body.value;
    const topic = this.#topics.get(shard.topic);
    if (!topic?.publishers.has(linkId)) return this.#refuse(link, 'undeclared', now);
    if (!this.#budget.admits(bytes.length, topic.subscribers.size, link.spent, now))
      return framesDropped.inc({ reason: 'room_rate' });
    const { publisherId } = link;
    if (this.#absent.isBarred(publisherId)) return framesDropped.inc({ reason: 'barred' });
    const once = channel === 'unreliable';
    const stamped = stampFrame(bytes, { publisherId, routedAt: this.clock.fleetMicros(), once });
    const carrier = link.traces.get(topic.name);
    if (!carrier) return this.#accept(topic, link, shard, stamped);
    link.traces.delete(topic.name);
    inSpan('route first frame', { kind: 'consumer', carrier }, () =>
      this.#accept(topic, link, shard, stamped, injectTrace()),
    );
  }

  /** Sends a frame of a client to its subscribers here, to the store and to other relays. */
  #accept(topic: Topic, link: LinkState, shard: Shard, frame: Uint8Array, trace?: TraceCarrier): void {
    const { publisherId, userId } = link;
    const stream = this.#stream(topic, publisherId, userId);
    if (this.#route(topic, publisherId, stream, shard, frame))
      this.outlet.retain(retainedMessage(topic, publisherId, stream));
    if (!this.#shared) return;
    const { name, mode, retain } = topic;
    this.outlet.forward({ topic: name, mode, retain, publisherId, userId, frame, ...(trace && { trace }) });
  }

  /** Sets whether other relays have the room: frames are forwarded to them. */
  share(shared: boolean): void {
    this.#shared = shared;
  }

  /** Drops all links and topics, when the room is closed. */
  end(): void {
    this.#links.clear();
    this.#topics.clear();
  }

  #refuse(link: LinkState, reason: string, now: number): void {
    framesDropped.inc({ reason });
    if (!link.tolerates(now)) this.outlet.disconnect(link.id, tooManyInvalidFrames);
  }

  /** Timestamps of RFC 5905, section 8: transmit time of the client, receive and transmit time of the relay. */
  #answerTime(link: LinkState, channel: ChannelKind, t1: number, t2: number): void {
    this.outlet.send(
      link.id,
      channel,
      encodeFrame({ body: { case: 'timeResponse', value: { t1, t2, t3: this.clock.fleetMicros() } } }),
    );
  }

  /** Routes a frame that another relay forwarded. Throws FrameError. */
  receiveRemote({ topic: name, mode, retain, publisherId, userId, frame }: RoutedFrame): void {
    framesIn.inc({ from: 'relay' });
    if (this.#absent.isBarred(publisherId)) return framesDropped.inc({ reason: 'barred' });
    const { body } = decodeFrame(frame, 'relay');
    if (body.case !== 'shard') return;
    const topic = this.#topic(name, mode);
    if (!topic) return framesDropped.inc({ reason: 'topics' });
    if (!this.#budget.admits(frame.length, topic.subscribers.size, undefined, this.clock.monotonicMs()))
      return framesDropped.inc({ reason: 'room_rate' });
    // The last frames of a publisher may arrive after it has left the room, or has declared the topic over a link here.
    const isKnown = topic.remotePublishers.has(publisherId) || this.#absent.has(publisherId);
    if (!isKnown && !this.#hasDeclared(topic, publisherId)) topic.remotePublishers.add(publisherId);
    topic.retain ||= retain;
    // The relay of the publisher stores what is retained.
    this.#route(topic, publisherId, this.#stream(topic, publisherId, userId), body.value, frame);
    if (topic.idle) this.#drop(topic);
  }

  #hasDeclared(topic: Topic, publisherId: string): boolean {
    return [...topic.publishers].some((linkId) => this.#links.get(linkId)?.publisherId === publisherId);
  }

  /** Sends a frame to all subscribers. Returns whether it completes a message that is retained. */
  #route(topic: Topic, publisherId: string, stream: PublisherStream, shard: Shard, frame: Uint8Array): boolean {
    if (shard.seqId >= stream.lastSeqId) {
      stream.lastSeqId = shard.seqId;
      stream.complete = shard.index === shard.total - 1;
    }
    this.outlet.fanOut(frame, topic.subchannel);
    let reached = 0;
    for (const linkId of topic.subscribers) {
      const link = this.#links.get(linkId)!;
      if (!link.ready) continue;
      const channel = link.channels[link.channelFor(topic.mode)];
      if (channel.paused) {
        channel.lost.add(topic.name, publisherId, shard.seqId);
        framesDropped.inc({ reason: 'slow_subscriber' });
        continue;
      }
      reached++;
      if (channel.onSent(frame.length)) this.outlet.queryBuffered(linkId, channel.kind);
    }
    framesOut.inc(reached);
    bytesOut.inc(reached * frame.length);
    if (!topic.retain || !shard.retain) return false;
    // A value must not be evicted for its own successor.
    this.#evictable.delete(topic, publisherId);
    const isComplete = stream.retained.add(shard, frame);
    if (this.#absent.has(publisherId)) this.#evictable.add(topic, publisherId, true);
    return isComplete;
  }

  /** Adds the retained messages of the store when the room is opened. */
  restore(messages: readonly RetainedMessage[]): void {
    this.#restoring = true;
    for (const { topic: name, mode, publisherId, userId, frames } of messages) {
      const topic = this.#absent.isBarred(publisherId) ? undefined : this.#topic(name, mode);
      if (!topic) continue;
      topic.retain = true;
      const { retained } = this.#stream(topic, publisherId, userId);
      let isRestored = false;
      for (const text of frames) {
        const frame = Buffer.from(text, 'base64');
        try {
          const { body } = decodeFrame(frame, 'relay');
          isRestored = body.case === 'shard' && retained.add(body.value, frame);
        } catch (error) {
          // A damaged message must not keep the room from being opened.
          framesDropped.inc({ reason: error instanceof FrameError ? error.code : 'malformed' });
        }
      }
      // It may be from before its publisher left and joined again.
      if (isRestored) topic.restart(publisherId);
      for (const linkId of topic.subscribers) this.#sendRetained(topic, this.#links.get(linkId)!);
    }
    this.#restoring = false;
    this.#dropIdle();
  }

  /** Takes a client's report of the loss and round-trip time of its link. */
  report(linkId: string, report: LinkReport): void {
    this.#link(linkId).report(report, this.clock.monotonicMs());
  }
}

/** Maximum frame of a publisher: leaves space for the relay's stamp, which is shorter than 192 bytes. */
const maxPublisherFrameBytes = maxMetadataFrameBytes - 192;

function retainedMessage(topic: Topic, publisherId: string, { retained, userId }: PublisherStream): RetainedMessage {
  const { name, mode } = topic;
  return {
    topic: name,
    mode,
    publisherId,
    userId,
    seqId: retained.seqId!,
    frames: retained.frames.map((frame) =>
      Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString('base64'),
    ),
  };
}
