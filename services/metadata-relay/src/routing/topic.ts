import type { TopicInfo, TopicMode } from '@flotilla/contracts';
import { Retained, type RetainedBudget } from './retained.ts';

/** What one publisher sent on a topic. */
export interface PublisherStream {
  /** Of the newest frame. */
  lastSeqId: number;
  /** The newest frame ended its message. */
  complete: boolean;
  readonly retained: Retained;
}

/** Publishers whose place on a topic is remembered. */
const maxStreams = 1024;

/** A topic of a room: who publishes it here, what was sent on it, what is kept of it. */
export class Topic {
  /** Links that declared it. */
  readonly publishers = new Set<string>();
  /** Links that receive it. */
  readonly subscribers = new Set<string>();
  readonly streams = new Map<string, PublisherStream>();
  /** Another relay has a publisher of it. */
  remote = false;
  retain = false;

  constructor(
    readonly name: string,
    readonly mode: TopicMode,
    /** What its frames are fanned out with. */
    readonly subchannel: number,
    private readonly budget: RetainedBudget,
  ) {}

  get info(): TopicInfo {
    return { name: this.name, mode: this.mode, retain: this.retain };
  }

  /** Somebody publishes it, and not this link alone. */
  publishedBeside(linkId: string): boolean {
    return this.remote || this.publishers.size > (this.publishers.has(linkId) ? 1 : 0);
  }

  /** Nobody publishes it and nothing is kept. */
  get idle(): boolean {
    return (
      !this.remote &&
      this.publishers.size === 0 &&
      [...this.streams.values()].every(({ retained }) => retained.seqId === undefined)
    );
  }

  stream(publisherId: string): PublisherStream {
    let stream = this.streams.get(publisherId);
    if (!stream) {
      stream = { lastSeqId: -1, complete: true, retained: new Retained(this.budget) };
      this.streams.set(publisherId, stream);
      if (this.streams.size > maxStreams) this.forget(this.streams.keys().next().value!);
    }
    return stream;
  }

  forget(publisherId: string): void {
    this.streams.get(publisherId)?.retained.close();
    this.streams.delete(publisherId);
  }

  close(): void {
    for (const publisherId of [...this.streams.keys()]) this.forget(publisherId);
  }
}
