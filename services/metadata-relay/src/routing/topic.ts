import type { TopicInfo, TopicMode } from '@flotilla/contracts';
import { Retained } from './retained.ts';
import type { RetainedBudget } from './retained-budget.ts';

/** The messages of one publisher on a topic. */
export interface PublisherStream {
  /** Sequence id of the newest frame; -1 before the first. */
  lastSeqId: number;
  /** Whether the newest frame was the last of its message. */
  complete: boolean;
  /** The user of the publisher, if it is known. */
  readonly userId: string | undefined;
  readonly retained: Retained;
}

/** Number of streams per topic above which one without a retained value is dropped. The limits of retained values bound the others. */
export const maxStreams = 1024;

/** A topic of a room, with its publishers and subscribers on this relay. */
export class Topic {
  /** Ids of the links that have declared it. */
  readonly publishers = new Set<string>();
  /** Ids of the links that are subscribed to it. */
  readonly subscribers = new Set<string>();
  /** By publisher id. */
  readonly streams = new Map<string, PublisherStream>();
  /** Ids of the publishers that other relays have, and that have not declared it here. */
  readonly remotePublishers = new Set<string>();
  retain = false;

  constructor(
    readonly name: string,
    readonly mode: TopicMode,
    /** The subchannel of its fan-out. */
    readonly subchannel: number,
    private readonly budget: RetainedBudget,
  ) {}

  get info(): TopicInfo {
    return { name: this.name, mode: this.mode, retain: this.retain };
  }

  /** Whether it has a publisher, other than this link. */
  hasPublisher(exceptLink?: string): boolean {
    const isPublisher = exceptLink !== undefined && this.publishers.has(exceptLink);
    return this.remotePublishers.size > 0 || this.publishers.size > (isPublisher ? 1 : 0);
  }

  /** Whether it has neither a publisher nor a retained message. */
  get idle(): boolean {
    return !this.hasPublisher() && [...this.streams.values()].every(({ retained }) => retained.seqId === undefined);
  }

  /** The stream of a publisher, created when missing. */
  stream(publisherId: string, userId?: string): PublisherStream {
    let stream = this.streams.get(publisherId);
    if (!stream) {
      const retained = new Retained(this.budget.shareOf(userId ?? publisherId));
      stream = { lastSeqId: -1, complete: true, userId, retained };
      this.streams.set(publisherId, stream);
    }
    return stream;
  }

  /** The sequence ids of a publisher begin anew. Its retained message stays until the next one. */
  restart(publisherId: string): void {
    const stream = this.streams.get(publisherId);
    if (!stream) return;
    stream.lastSeqId = -1;
    stream.complete = true;
    stream.retained.restart();
  }

  /** Drops a publisher's stream and its retained message. */
  forget(publisherId: string): void {
    this.streams.get(publisherId)?.retained.close();
    this.streams.delete(publisherId);
  }

  close(): void {
    for (const publisherId of [...this.streams.keys()]) this.forget(publisherId);
  }
}
