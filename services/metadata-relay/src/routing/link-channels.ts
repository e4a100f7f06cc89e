import type { ChannelKind } from '@flotilla/contracts';
import { encodeFrame } from '@flotilla/data-channel';
import { bytesOut, framesOut, pauses, switches } from '../metrics.ts';
import type { LinkState } from './link-state.ts';
import type { Outlet } from './outlet.ts';
import type { Topics } from './topics.ts';

export interface RoutingClock {
  /** Monotonic time in ms, with any epoch. */
  readonly monotonicMs: () => number;
  /** The fleet's time in microseconds since the Unix epoch. */
  readonly fleetMicros: () => number;
}

/**
 * Flow control of the data channels of a room's links: pauses a channel whose backlog is at its bound, resumes it with notices of what was
 * lost, and chooses the channel of adaptive topics.
 */
export class LinkChannels {
  constructor(
    private readonly links: ReadonlyMap<string, LinkState>,
    private readonly topics: Topics,
    private readonly outlet: Outlet,
    private readonly clock: Pick<RoutingClock, 'monotonicMs'>,
  ) {}

  /** Sends a frame to one link, and queries the backlog when its bound may be reached. */
  send(link: LinkState, channel: ChannelKind, frame: Uint8Array): void {
    this.outlet.send(link.id, channel, frame);
    framesOut.inc();
    bytesOut.inc(frame.length);
    if (link.channels[channel].onSent(frame.length)) this.outlet.queryBuffered(link.id, channel);
  }

  /** The worker's answer to `queryBuffered`. */
  onBuffered(linkId: string, kind: ChannelKind, bytes: number): void {
    const link = this.links.get(linkId);
    if (!link) return;
    const channel = link.channels[kind];
    const change = channel.onBuffered(bytes);
    if (change === 'pause') this.#pause(linkId, kind);
    if (change !== 'resume') return;
    this.outlet.resume(linkId, kind);
    for (const range of channel.lost.take()) {
      const { topic, publisherId, fromSeqId, toSeqId } = range;
      const value = { topic, publisherId, fromSeqId, toSeqId };
      this.send(link, 'reliable', encodeFrame({ body: { case: 'lossNotice', value } }));
    }
  }

  /** The worker dropped frames of a channel because its send buffer is full. */
  onOverflow(linkId: string, kind: ChannelKind): void {
    const link = this.links.get(linkId);
    if (!link?.channels[kind].onOverflow()) return;
    // The worker does not report which frames; the newest of each topic on this channel are assumed lost.
    for (const topic of this.topics) {
      if (!topic.subscribers.has(linkId) || link.channelFor(topic.mode) !== kind) continue;
      for (const [publisherId, { lastSeqId }] of topic.streams)
        if (lastSeqId >= 0) link.channels[kind].lost.add(topic.name, publisherId, lastSeqId);
    }
    this.#pause(linkId, kind);
  }

  #pause(linkId: string, kind: ChannelKind): void {
    pauses.inc({ channel: kind });
    this.outlet.pause(linkId, kind);
  }

  /** Re-evaluates the channel of adaptive topics, and queries paused channels. To be called several times per second. */
  tick(): void {
    const now = this.clock.monotonicMs();
    for (const link of this.links.values()) {
      const previous = link.channelFor('adaptive');
      for (const channel of Object.values(link.channels)) {
        // Queries whether a paused channel has drained, and whether a link on the unreliable channel has recovered.
        const isQueried = channel.paused || (channel.kind === 'unreliable' && previous === 'unreliable');
        if (isQueried && channel.startQuery()) this.outlet.queryBuffered(link.id, channel.kind);
      }
      const channel = link.adapt(now);
      if (channel) this.#switch(link, previous, channel);
    }
  }

  /** Switches atomically: each frame goes over exactly one channel. The notice carries the first message on the new channel. */
  #switch(link: LinkState, previous: ChannelKind, channel: ChannelKind): void {
    switches.inc({ to: channel });
    for (const topic of this.topics) {
      if (topic.mode !== 'adaptive' || !topic.subscribers.has(link.id)) continue;
      this.outlet.removeSubchannel(link.id, previous, topic.subchannel);
      this.outlet.addSubchannel(link.id, channel, topic.subchannel);
      if (!link.ready) continue;
      for (const [publisherId, { lastSeqId, complete }] of topic.streams) {
        const firstSeqId = complete ? lastSeqId + 1 : lastSeqId;
        const value = { topic: topic.name, reliable: channel !== 'unreliable', firstSeqId, publisherId };
        this.send(link, 'reliable', encodeFrame({ body: { case: 'modeSwitch', value } }));
      }
    }
  }
}
