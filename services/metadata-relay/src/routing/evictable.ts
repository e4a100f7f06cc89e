import type { Topic } from './topic.ts';

/** A retained value whose publisher has left the room. */
interface EvictableValue {
  readonly topic: Topic;
  readonly publisherId: string;
}

/** The retained values of publishers that have left the room, in the order in which they left. */
export class EvictableValues {
  /** By publisher and topic. */
  readonly #values = new Map<string, EvictableValue>();

  add(topic: Topic, publisherId: string): void {
    if (topic.streams.get(publisherId)?.retained.isEmpty === false)
      this.#values.set(keyOf(topic, publisherId), { topic, publisherId });
  }

  delete(topic: Topic, publisherId: string): void {
    this.#values.delete(keyOf(topic, publisherId));
  }

  has(topic: Topic, publisherId: string): boolean {
    return this.#values.has(keyOf(topic, publisherId));
  }

  /** The publisher is in the room again. */
  deleteOf(publisherId: string): void {
    for (const [key, value] of this.#values) if (value.publisherId === publisherId) this.#values.delete(key);
  }

  /** The first value, or the first one of a user. */
  first(user?: string): EvictableValue | undefined {
    for (const value of this.#values.values()) {
      const stream = value.topic.streams.get(value.publisherId);
      if (!stream || stream.retained.isEmpty) this.delete(value.topic, value.publisherId);
      else if (user === undefined || (stream.userId ?? value.publisherId) === user) return value;
    }
    return undefined;
  }
}

const keyOf = (topic: Topic, publisherId: string): string => `${publisherId} ${topic.name}`;
