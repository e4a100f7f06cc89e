import type { ChannelKind, TopicMode } from '@flotilla/contracts';
import type { AdaptiveChannel } from './mode-controller.ts';

/** Options of `createDataChannel` for each channel, in addition to `negotiated: true` and the id. */
export const channelSettings: Readonly<Record<ChannelKind, { ordered: boolean; maxRetransmits?: number }>> = {
  reliable: { ordered: true },
  limited: { ordered: false, maxRetransmits: 3 },
  unreliable: { ordered: false, maxRetransmits: 0 },
};

/** The channel for a topic. `adaptive`: the link's current channel for adaptive topics. */
export const channelFor = (mode: TopicMode, adaptive: AdaptiveChannel): ChannelKind =>
  mode === 'adaptive' ? adaptive : mode;
