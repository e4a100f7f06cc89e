import type { ChannelKind, RetainedMessage, TopicMode } from '@flotilla/contracts';
import type { TraceCarrier } from '@flotilla/runtime';
import type { RetainedKey } from '@flotilla/store';

/** A routed frame, as it is forwarded to the other relays of the room. */
export interface RoutedFrame {
  readonly topic: string;
  readonly mode: TopicMode;
  readonly retain: boolean;
  readonly publisherId: string;
  /** The user of the publisher. Earlier versions do not send it. */
  readonly userId?: string | undefined;
  readonly frame: Uint8Array;
  /** Of the first frame after a declaration. */
  readonly trace?: TraceCarrier | undefined;
}

/**
 * The output port of routing. Operations are applied in the order of the calls and return nothing, so that routing can run in another
 * thread than the data channels.
 */
export interface Outlet {
  /** Sends a frame to all channels that have the subchannel and are not paused. */
  fanOut(frame: Uint8Array, subchannel: number): void;
  /** Sends a frame over one channel, paused or not. */
  send(linkId: string, channel: ChannelKind, frame: Uint8Array): void;
  addSubchannel(linkId: string, channel: ChannelKind, subchannel: number): void;
  removeSubchannel(linkId: string, channel: ChannelKind, subchannel: number): void;
  /** Stops the fan-out to a channel until `resume`. */
  pause(linkId: string, channel: ChannelKind): void;
  resume(linkId: string, channel: ChannelKind): void;
  /** Queries the bytes in the send buffer of a channel. The answer is a call of `LinkChannels.onBuffered`. */
  queryBuffered(linkId: string, channel: ChannelKind): void;
  /** Closes a link. */
  disconnect(linkId: string, reason: string): void;
  /** Sends a frame to the other relays of the room. */
  forward(routed: RoutedFrame): void;
  /** Stores a retained message, which replaces the previous one of its topic and publisher. */
  retain(message: RetainedMessage): void;
  /** Deletes a retained value in the store and at the other relays, for which its publisher has the topic no more. */
  forget(value: RetainedKey): void;
  /** Drops changes of a publisher's values that are not written to the store yet. */
  cancel(publisherId: string): void;
}
