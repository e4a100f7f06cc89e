import type { Topic } from './topic.ts';

/** A retained value that may be deleted for its place. */
interface EvictableValue {
  readonly topic: Topic;
  readonly publisherId: string;
  /** Whether its publisher has left the room. Otherwise only other participants of its user may evict it. */
  readonly isLeft: boolean;
}

/**
 * The retained values of publishers that have left the room, and of those that are reconnecting, in the order in which they left or lost
 * their connection.
 */
export class EvictableValues {
  /** By publisher and topic. */
  readonly #values = new Map<string, EvictableValue>();

  add(topic: Topic, publisherId: string, isLeft: boolean): void {
    if (topic.streams.get(publisherId)?.retained.isEmpty === false)
      this.#values.set(keyOf(topic, publisherId), { topic, publisherId, isLeft });
  }

  delete(topic: Topic, publisherId: string): void {
    this.#values.delete(keyOf(topic, publisherId));
  }

  /** Whether the publisher of the value has left the room. */
  isLeft(topic: Topic, publisherId: string): boolean {
    return this.#values.get(keyOf(topic, publisherId))?.isLeft === true;
  }

  /** The publisher is in the room again, or connected again. */
  deleteOf(publisherId: string): void {
    for (const [key, value] of this.#values) if (value.publisherId === publisherId) this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
  }

  /** The first value of a publisher that has left. For a user: of its publishers, also of those that are reconnecting if none has left. */
  first(user?: string): EvictableValue | undefined {
    let reconnecting: EvictableValue | undefined;
    for (const value of this.#values.values()) {
      const stream = value.topic.streams.get(value.publisherId);
      if (!stream || stream.retained.isEmpty) this.delete(value.topic, value.publisherId);
      else if (user !== undefined && (stream.userId ?? value.publisherId) !== user) continue;
      else if (value.isLeft) return value;
      else if (user !== undefined) reconnecting ??= value;
    }
    return reconnecting;
  }
}

const keyOf = (topic: Topic, publisherId: string): string => `${publisherId} ${topic.name}`;
