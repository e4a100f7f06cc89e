import type {
  ChannelKind,
  LinkReport,
  RetainedMessage,
  TopicDeclaration,
  TopicInfo,
  TopicSelection,
} from '@flotilla/contracts';
import type { RoutedFrame } from './outlet.ts';

type Answer<T> = T | Promise<T>;

/** The routing of one room, in this thread (RoomRouting) or in a worker thread (ThreadedRouting). RoomRouting documents the methods. */
export interface Routing {
  /** Adds a link. Its frames are accepted afterwards. */
  open(linkId: string, publisherId: string): Answer<void>;
  close(linkId: string): void;
  onReady(linkId: string): void;
  receive(linkId: string, channel: ChannelKind, bytes: Uint8Array): void;
  receiveRemote(routed: RoutedFrame): void;
  restore(messages: readonly RetainedMessage[]): void;
  onBuffered(linkId: string, channel: ChannelKind, bytes: number): void;
  onOverflow(linkId: string, channel: ChannelKind): void;
  tick(): void;
  publish(linkId: string, declaration: TopicDeclaration): Answer<TopicInfo>;
  unpublish(linkId: string, topic: string): Answer<void>;
  subscribe(linkId: string, topics: TopicSelection): Answer<TopicInfo[]>;
  unsubscribe(linkId: string, topics: TopicSelection): Answer<void>;
  report(linkId: string, report: LinkReport): Answer<void>;
  /** Sets whether other relays have the room, that is, whether frames are forwarded to them. */
  share(shared: boolean): void;
  /** Ends the routing of the room. */
  end(): void;
}

/** The methods that are called by messages, rather than over the frame ring, when routing runs in a worker thread. */
export type RoutingCall = Exclude<keyof Routing, 'receive'>;
