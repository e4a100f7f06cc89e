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
import { bytesIn, bytesOut, framesDropped, framesIn, framesOut, holds, switches } from '../metrics.ts';
import { type LinkLimits, LinkState } from './link-state.ts';
import type { Outlet, RoutedFrame } from './outlet.ts';
import type { Routing } from './routing.ts';
import { RetainedBudget } from './retained.ts';
import { Topic } from './topic.ts';

/** Clocks, both injected: ms that never go back, and microseconds of the fleet's time. */
export interface RoutingClock {
  readonly monotonicMs: () => number;
  readonly fleetMicros: () => number;
}

/** Subchannel 0 is carried by every channel and sent to never: a channel without any would get everything. */
const firstSubchannel = 1;
const lastSubchannel = 65_535;

/**
 * What happens to frames in one room: who may send on which topic, who gets it over which channel, what is kept for those who
 * come later. No I/O: it is told what came and asks the outlet for what is to be done, in order.
 */
export class RoomRouting implements Routing {
  readonly #topics = new Map<string, Topic>();
  readonly #links = new Map<string, LinkState>();
  readonly #budget = new RetainedBudget();
  #shared = false;
  #nextSubchannel = firstSubchannel;

  constructor(
    private readonly outlet: Outlet,
    private readonly limits: LinkLimits,
    private readonly clock: RoutingClock,
  ) {}

  open(linkId: string, publisherId: string): void {
    this.#links.set(linkId, new LinkState(linkId, publisherId, this.limits, this.clock.monotonicMs()));
  }

  close(linkId: string): void {
    const link = this.#links.get(linkId);
    if (!link) return;
    this.#links.delete(linkId);
    for (const name of link.publishes) this.#topics.get(name)?.publishers.delete(linkId);
    for (const topic of this.#topics.values()) topic.subscribers.delete(linkId);
    this.#dropIdle();
  }

  /** Its data channels are open: it gets what is retained. */
  ready(linkId: string): void {
    const link = this.#links.get(linkId);
    if (!link || link.ready) return;
    link.ready = true;
    for (const topic of this.#topics.values()) if (topic.subscribers.has(linkId)) this.#sendRetained(topic, link);
  }

  #link(linkId: string): LinkState {
    const link = this.#links.get(linkId);
    if (!link) throw new FlotillaError('METADATA_NOT_OPEN');
    return link;
  }

  /** Throws TOPIC_CONFLICT, TOO_MANY_TOPICS. Twice is once. */
  publish(linkId: string, { topic: name, mode, retain }: TopicDeclaration): TopicInfo {
    const link = this.#link(linkId);
    if (!link.publishes.has(name) && link.publishes.size >= maxTopicsPerSession)
      throw new FlotillaError('TOO_MANY_TOPICS', `a session publishes ${maxTopicsPerSession} topics at most`);
    const topic = this.#declared(linkId, name, mode);
    topic.retain ||= retain;
    topic.publishers.add(linkId);
    link.publishes.add(name);
    return topic.info;
  }

  /** The topic in that mode; whoever alone publishes it may change its mode. */
  #declared(linkId: string, name: string, mode: TopicMode): Topic {
    const known = this.#topics.get(name);
    if (known && known.mode !== mode) {
      if (known.publishedBeside(linkId))
        throw new FlotillaError('TOPIC_CONFLICT', `${name} is published as ${known.mode}`);
      this.#drop(known);
    }
    const topic = this.#topic(name, mode);
    if (!topic) throw new FlotillaError('TOO_MANY_TOPICS', `a room has ${maxTopicsPerRoom} topics at most`);
    return topic;
  }

  /** The topic, with those who want it. Undefined when there are too many. */
  #topic(name: string, mode: TopicMode): Topic | undefined {
    const known = this.#topics.get(name);
    if (known) return known;
    if (this.#topics.size >= maxTopicsPerRoom) return undefined;
    const topic = new Topic(name, mode, this.#freeSubchannel(), this.#budget);
    this.#topics.set(name, topic);
    for (const link of this.#links.values()) if (link.wantsTopic(name)) this.#attach(topic, link);
    return topic;
  }

  #freeSubchannel(): number {
    const taken = new Set([...this.#topics.values()].map(({ subchannel }) => subchannel));
    while (taken.has(this.#nextSubchannel)) this.#advanceSubchannel();
    const free = this.#nextSubchannel;
    this.#advanceSubchannel();
    return free;
  }

  #advanceSubchannel(): void {
    this.#nextSubchannel = this.#nextSubchannel === lastSubchannel ? firstSubchannel : this.#nextSubchannel + 1;
  }

  unpublish(linkId: string, name: string): void {
    const link = this.#link(linkId);
    if (!link.publishes.delete(name)) return;
    const topic = this.#topics.get(name);
    topic?.publishers.delete(linkId);
    topic?.forget(link.publisherId);
    this.outlet.forget(name, link.publisherId);
    this.#dropIdle();
  }

  #dropIdle(): void {
    for (const topic of this.#topics.values()) if (topic.idle) this.#drop(topic);
  }

  #drop(topic: Topic): void {
    for (const linkId of topic.subscribers) this.#detach(topic, this.#links.get(linkId)!);
    topic.close();
    this.#topics.delete(topic.name);
  }

  /** The topics of the selection that there are now. Throws TOO_MANY_TOPICS. */
  subscribe(linkId: string, selection: TopicSelection): TopicInfo[] {
    const link = this.#link(linkId);
    if (selection === '*') link.wantsAll = true;
    else {
      if (new Set([...link.wants, ...selection]).size > maxTopicsPerSession)
        throw new FlotillaError('TOO_MANY_TOPICS', `a session names ${maxTopicsPerSession} topics at most`);
      for (const name of selection) link.wants.add(name);
    }
    const wanted = [...this.#topics.values()].filter(({ name }) => selection === '*' || selection.includes(name));
    for (const topic of wanted) if (!topic.subscribers.has(linkId)) this.#attach(topic, link);
    return wanted.map(({ info }) => info);
  }

  unsubscribe(linkId: string, selection: TopicSelection): void {
    const link = this.#link(linkId);
    if (selection === '*') {
      link.wantsAll = false;
      link.wants.clear();
    } else for (const name of selection) link.wants.delete(name);
    for (const topic of this.#topics.values())
      if (topic.subscribers.has(linkId) && !link.wantsTopic(topic.name)) this.#detach(topic, link);
  }

  #attach(topic: Topic, link: LinkState): void {
    topic.subscribers.add(link.id);
    // What is retained goes out before anything newer can.
    this.#sendRetained(topic, link);
    this.outlet.carry(link.id, link.channelFor(topic.mode), topic.subchannel, true);
  }

  #detach(topic: Topic, link: LinkState): void {
    topic.subscribers.delete(link.id);
    this.outlet.carry(link.id, link.channelFor(topic.mode), topic.subchannel, false);
  }

  #sendRetained(topic: Topic, link: LinkState): void {
    if (!link.ready) return;
    const routedAt = this.clock.fleetMicros();
    for (const [publisherId, { retained }] of topic.streams)
      for (const frame of retained.frames)
        this.#send(link, 'reliable', stampFrame(frame, { publisherId, routedAt, retained: true }));
  }

  #send(link: LinkState, channel: ChannelKind, frame: Uint8Array): void {
    this.outlet.send(link.id, channel, frame);
    framesOut.inc();
    bytesOut.inc(frame.length);
    if (link.channels[channel].sent(frame.length)) this.outlet.askBacklog(link.id, channel);
  }

  /** Bytes that came over a link. What may not be sent is dropped and counted; who sends too much of it is put out. */
  receive(linkId: string, channel: ChannelKind, bytes: Uint8Array): void {
    const link = this.#links.get(linkId);
    if (!link) return;
    const arrivedAt = this.clock.fleetMicros();
    const now = this.clock.monotonicMs();
    framesIn.inc({ from: 'link' });
    bytesIn.inc(bytes.length);
    if (!link.mayReceive(bytes.length, now)) return framesDropped.inc({ reason: 'rate' });
    let frame: Frame;
    try {
      frame = decodeFrame(bytes, 'publisher', maxPublisherFrameBytes);
    } catch (error) {
      return this.#refuse(link, error instanceof FrameError ? error.code : 'malformed', now);
    }
    if (frame.body.case === 'timeRequest') return this.#answerTime(link, channel, frame.body.value.t1, arrivedAt);
    // A publisher's own switch of channels needs nothing here: frames are passed on as they come, and ordered by their ids.
    if (frame.body.case !== 'shard') return;
    const shard = frame.body.value;
    const topic = this.#topics.get(shard.topic);
    if (!topic?.publishers.has(linkId)) return this.#refuse(link, 'undeclared', now);
    const { publisherId } = link;
    const once = channel === 'unreliable';
    const stamped = stampFrame(bytes, { publisherId, routedAt: this.clock.fleetMicros(), once });
    this.#route(topic, publisherId, shard, stamped);
    if (this.#shared)
      this.outlet.forward({ topic: topic.name, mode: topic.mode, retain: topic.retain, publisherId, frame: stamped });
  }

  share(shared: boolean): void {
    this.#shared = shared;
  }

  end(): void {
    this.#links.clear();
    this.#topics.clear();
  }

  #refuse(link: LinkState, reason: string, now: number): void {
    framesDropped.inc({ reason });
    if (!link.forgive(now)) this.outlet.expel(link.id, 'too many frames that may not be sent');
  }

  /** RFC 5905, section 8: the client's time, when it arrived here, when the answer left. */
  #answerTime(link: LinkState, channel: ChannelKind, t1: number, t2: number): void {
    this.outlet.send(
      link.id,
      channel,
      encodeFrame({ body: { case: 'timeResponse', value: { t1, t2, t3: this.clock.fleetMicros() } } }),
    );
  }

  /** A frame that another relay routed. */
  receiveRemote({ topic: name, mode, retain, publisherId, frame }: RoutedFrame): void {
    framesIn.inc({ from: 'relay' });
    const topic = this.#topic(name, mode);
    const { body } = decodeFrame(frame, 'relay');
    if (!topic || body.case !== 'shard') return;
    topic.remote = true;
    topic.retain ||= retain;
    this.#route(topic, publisherId, body.value, frame, false);
  }

  #route(topic: Topic, publisherId: string, shard: Shard, frame: Uint8Array, local = true): void {
    const stream = topic.stream(publisherId);
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
      if (channel.held) {
        channel.lost.add(topic.name, publisherId, shard.seqId);
        framesDropped.inc({ reason: 'slow_subscriber' });
        continue;
      }
      reached++;
      if (channel.sent(frame.length)) this.outlet.askBacklog(linkId, channel.kind);
    }
    framesOut.inc(reached);
    bytesOut.inc(reached * frame.length);
    if (topic.retain && shard.retain && stream.retained.add(shard, frame) && local)
      this.outlet.retain(retainedMessage(topic, publisherId, shard.seqId, stream.retained.frames));
  }

  /** What was kept of the room before this relay had it. */
  restore(messages: readonly RetainedMessage[]): void {
    for (const { topic: name, mode, publisherId, frames } of messages) {
      const topic = this.#topic(name, mode);
      if (!topic) return;
      topic.retain = true;
      for (const text of frames) {
        const frame = Buffer.from(text, 'base64');
        const { body } = decodeFrame(frame, 'relay');
        if (body.case === 'shard') topic.stream(publisherId).retained.add(body.value, frame);
      }
      for (const linkId of topic.subscribers) this.#sendRetained(topic, this.#links.get(linkId)!);
    }
  }

  /** The worker's answer to `askBacklog`. */
  backlog(linkId: string, kind: ChannelKind, bytes: number): void {
    const link = this.#links.get(linkId);
    if (!link) return;
    const channel = link.channels[kind];
    const change = channel.answered(bytes);
    if (change === 'hold') this.#hold(linkId, kind);
    if (change !== 'release') return;
    this.outlet.hold(linkId, kind, false);
    for (const range of channel.lost.take()) {
      const { topic, publisherId, fromSeqId, toSeqId } = range;
      const value = { topic, publisherId, fromSeqId, toSeqId };
      this.#send(link, 'reliable', encodeFrame({ body: { case: 'lossNotice', value } }));
    }
  }

  /** The worker had to throw away what was sent to the channel. */
  overflowed(linkId: string, kind: ChannelKind): void {
    const link = this.#links.get(linkId);
    if (!link?.channels[kind].overflowed()) return;
    // Which of them it was is not known: at least the newest of each topic on this channel.
    for (const topic of this.#topics.values()) {
      if (!topic.subscribers.has(linkId) || link.channelFor(topic.mode) !== kind) continue;
      for (const [publisherId, { lastSeqId }] of topic.streams)
        if (lastSeqId >= 0) link.channels[kind].lost.add(topic.name, publisherId, lastSeqId);
    }
    this.#hold(linkId, kind);
  }

  #hold(linkId: string, kind: ChannelKind): void {
    holds.inc({ channel: kind });
    this.outlet.hold(linkId, kind, true);
  }

  report(linkId: string, report: LinkReport): void {
    this.#link(linkId).report(report, this.clock.monotonicMs());
  }

  /** To be called a few times a second: looks at links again, and after channels that are held. */
  tick(): void {
    const now = this.clock.monotonicMs();
    for (const link of this.#links.values()) {
      const former = link.channelFor('adaptive');
      for (const channel of Object.values(link.channels)) {
        // What is asked for: whether it has caught up, and whether the link is clear.
        const wanted = channel.held || (channel.kind === 'unreliable' && former === 'unreliable');
        if (wanted && channel.ask()) this.outlet.askBacklog(link.id, channel.kind);
      }
      const channel = link.adapt(now);
      if (channel) this.#switch(link, former, channel);
    }
  }

  /** In one go: no frame goes over both channels, or over neither. The notice says from which one on. */
  #switch(link: LinkState, former: ChannelKind, channel: ChannelKind): void {
    switches.inc({ to: channel });
    for (const topic of this.#topics.values()) {
      if (topic.mode !== 'adaptive' || !topic.subscribers.has(link.id)) continue;
      this.outlet.carry(link.id, former, topic.subchannel, false);
      this.outlet.carry(link.id, channel, topic.subchannel, true);
      if (!link.ready) continue;
      for (const [publisherId, { lastSeqId, complete }] of topic.streams) {
        const firstSeqId = complete ? lastSeqId + 1 : lastSeqId;
        const value = { topic: topic.name, reliable: channel !== 'unreliable', firstSeqId, publisherId };
        this.#send(link, 'reliable', encodeFrame({ body: { case: 'modeSwitch', value } }));
      }
    }
  }
}

/** The relay's stamp has to fit as well: publisher and time take less than this. */
const maxPublisherFrameBytes = maxMetadataFrameBytes - 192;

function retainedMessage(
  topic: Topic,
  publisherId: string,
  seqId: number,
  frames: readonly Uint8Array[],
): RetainedMessage {
  const { name, mode } = topic;
  return {
    topic: name,
    mode,
    publisherId,
    seqId,
    frames: frames.map((frame) => Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString('base64')),
  };
}
