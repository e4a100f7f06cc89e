import type { TopicInfo, TopicMode } from '@flotilla/contracts';
import { Retained, type RetainedBudget } from './retained.ts';

/** The messages of one publisher on a topic. */
export interface PublisherStream {
  /** Sequence id of the newest frame; -1 before the first. */
  lastSeqId: number;
  /** Whether the newest frame was the last of its message. */
  complete: boolean;
  readonly retained: Retained;
}

/** Maximum number of publishers per topic whose stream state is kept; the oldest is dropped. */
const maxStreams = 1024;

/** A topic of a room, with its publishers and subscribers on this relay. */
export class Topic {
  /** Ids of the links that have declared it. */
  readonly publishers = new Set<string>();
  /** Ids of the links that are subscribed to it. */
  readonly subscribers = new Set<string>();
  /** By publisher id. */
  readonly streams = new Map<string, PublisherStream>();
  /** Whether another relay has a publisher of it. */
  remote = false;
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

  /** Whether it has a publisher other than this link. */
  hasOtherPublisher(linkId: string): boolean {
    return this.remote || this.publishers.size > (this.publishers.has(linkId) ? 1 : 0);
  }

  /** Whether it has neither a publisher nor a retained message. */
  get idle(): boolean {
    return (
      !this.remote &&
      this.publishers.size === 0 &&
      [...this.streams.values()].every(({ retained }) => retained.seqId === undefined)
    );
  }

  /** The stream of a publisher, created when missing. */
  stream(publisherId: string): PublisherStream {
    let stream = this.streams.get(publisherId);
    if (!stream) {
      stream = { lastSeqId: -1, complete: true, retained: new Retained(this.budget) };
      this.streams.set(publisherId, stream);
      if (this.streams.size > maxStreams) this.forget(this.streams.keys().next().value!);
    }
    return stream;
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
