import { maxTopicsPerRoom, type TopicMode } from '@flotilla/contracts';
import { type Evict, RetainedBudget } from './retained-budget.ts';
import { Topic } from './topic.ts';

/** Subchannel 0 is reserved (see client-link.ts). */
const firstSubchannel = 1;
const lastSubchannel = 65_535;

/** The topics of a room, by name. Each has a subchannel of its own. */
export class Topics implements Iterable<Topic> {
  readonly #topics = new Map<string, Topic>();
  readonly #budget: RetainedBudget;
  #nextSubchannel = firstSubchannel;

  constructor(evict: Evict) {
    this.#budget = new RetainedBudget(evict);
  }

  get(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  /** Creates a topic that does not exist. Undefined at the limit of `maxTopicsPerRoom`. */
  create(name: string, mode: TopicMode): Topic | undefined {
    if (this.#topics.size >= maxTopicsPerRoom) return undefined;
    const topic = new Topic(name, mode, this.#takeSubchannel(), this.#budget);
    this.#topics.set(name, topic);
    return topic;
  }

  /** Subchannels are used in turn: one that was just freed may still have frames in flight. */
  #takeSubchannel(): number {
    const taken = new Set([...this.#topics.values()].map(({ subchannel }) => subchannel));
    while (taken.has(this.#nextSubchannel)) this.#advance();
    const free = this.#nextSubchannel;
    this.#advance();
    return free;
  }
  #advance(): void {
    this.#nextSubchannel = this.#nextSubchannel === lastSubchannel ? firstSubchannel : this.#nextSubchannel + 1;
  }

  delete(topic: Topic): void {
    topic.close();
    this.#topics.delete(topic.name);
  }

  clear(): void {
    this.#topics.clear();
  }

  [Symbol.iterator](): Iterator<Topic> {
    return this.#topics.values();
  }
}
