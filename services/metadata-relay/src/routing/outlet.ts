import type { ChannelKind, RetainedMessage, TopicMode } from '@flotilla/contracts';

/** A frame that was routed here and is for the other relays of the room too. */
export interface RoutedFrame {
  readonly topic: string;
  readonly mode: TopicMode;
  readonly retain: boolean;
  readonly publisherId: string;
  readonly frame: Uint8Array;
}

/**
 * What routing asks of the world. Carried out in the order it is asked for, and nothing is answered: so routing may run in
 * another thread than the data channels.
 */
export interface Outlet {
  /** Sends a frame over all channels that carry the subchannel. */
  fanOut(frame: Uint8Array, subchannel: number): void;
  /** Sends a frame over one channel. */
  send(linkId: string, channel: ChannelKind, frame: Uint8Array): void;
  /** From now on the channel carries the subchannel, or no longer. */
  carry(linkId: string, channel: ChannelKind, subchannel: number, on: boolean): void;
  /** Nothing is fanned out to the channel until it is released. */
  hold(linkId: string, channel: ChannelKind, held: boolean): void;
  /** How much waits to be sent over the channel? To be answered with `RoomRouting.backlog`. */
  askBacklog(linkId: string, channel: ChannelKind): void;
  /** The link is no longer wanted. */
  expel(linkId: string, why: string): void;
  forward(routed: RoutedFrame): void;
  retain(message: RetainedMessage): void;
  forget(topic: string, publisherId: string): void;
}
