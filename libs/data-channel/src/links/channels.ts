import type { ChannelKind, TopicMode } from '@flotilla/contracts';
import type { AdaptiveChannel } from './mode-controller.ts';

/** What `createDataChannel` takes for each channel, beside `negotiated: true` and the id. */
export const channelSettings: Readonly<Record<ChannelKind, { ordered: boolean; maxRetransmits?: number }>> = {
  reliable: { ordered: true },
  limited: { ordered: false, maxRetransmits: 3 },
  unreliable: { ordered: false, maxRetransmits: 0 },
};

/** The channel that a frame of a topic takes over a link whose controller says `adaptive`. */
export const channelFor = (mode: TopicMode, adaptive: AdaptiveChannel): ChannelKind =>
  mode === 'adaptive' ? adaptive : mode;
