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

/** The routing of one room, in this thread (RoomRouting) or in another (ThreadedRouting). What each method does is said there. */
export interface Routing {
  /** Frames of the link may come once it is open. */
  open(linkId: string, publisherId: string): Answer<void>;
  close(linkId: string): void;
  ready(linkId: string): void;
  receive(linkId: string, channel: ChannelKind, bytes: Uint8Array): void;
  receiveRemote(routed: RoutedFrame): void;
  restore(messages: readonly RetainedMessage[]): void;
  backlog(linkId: string, channel: ChannelKind, bytes: number): void;
  overflowed(linkId: string, channel: ChannelKind): void;
  tick(): void;
  publish(linkId: string, declaration: TopicDeclaration): Answer<TopicInfo>;
  unpublish(linkId: string, topic: string): Answer<void>;
  subscribe(linkId: string, topics: TopicSelection): Answer<TopicInfo[]>;
  unsubscribe(linkId: string, topics: TopicSelection): Answer<void>;
  report(linkId: string, report: LinkReport): Answer<void>;
  /** Another relay has the room too, or none any more: only then is anything forwarded. */
  share(shared: boolean): void;
  /** The room is gone. */
  end(): void;
}

/** What is asked of it by messages rather than as frames, when it is in another thread. */
export type RoutingCall = Exclude<keyof Routing, 'receive'>;
