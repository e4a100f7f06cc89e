import { maxRetainedValues } from '@flotilla/contracts';
import type { RetainedKey } from '@flotilla/store';
import type { RoutedFrame } from '../routing/outlet.ts';

const maxEntryBytes = 64 * 1024;
/** Bound on the frames queued while the log is slow or unavailable; above it the oldest are dropped. */
const maxPendingBytes = 1024 * 1024;
/** Deleted values of one entry at most. */
const maxForgotten = 256;

export interface Deletion {
  readonly value: RetainedKey;
  /** Number of frames, since the queue was created, that go before it. */
  readonly after: number;
}

/** What the next entry carries. */
type Batch = { readonly frames: readonly RoutedFrame[] } | { readonly deletions: readonly Deletion[] };

/**
 * What is to be sent to the other relays of a room, in order. Frames are dropped above a bound. Deletions of values are not: they stay in the
 * queue until they are confirmed, one for each value.
 */
export class ForwardQueue {
  #frames: RoutedFrame[] = [];
  #bytes = 0;
  /** Number of frames that have left the queue. */
  #taken = 0;
  /** By publisher and topic, in order. */
  readonly #deletions = new Map<string, Deletion>();

  push(frame: RoutedFrame): void {
    this.#frames.push(frame);
    this.#bytes += frame.frame.length;
    while (this.#bytes > maxPendingBytes) this.#take(1);
  }

  /** Adds a deletion, after the frames that are queued. Above as many as a room has values, the oldest is dropped. */
  forget({ topic, publisherId }: RetainedKey): void {
    const key = keyOf({ topic, publisherId });
    this.#deletions.delete(key);
    this.#deletions.set(key, { value: { topic, publisherId }, after: this.#taken + this.#frames.length });
    if (this.#deletions.size > maxRetainedValues) this.#deletions.delete(this.#deletions.keys().next().value!);
  }

  /** The first batch; undefined when the queue is empty. Frames are removed, deletions stay until they are confirmed. */
  next(): Batch | undefined {
    const deletions = this.#due();
    if (deletions.length > 0) return { deletions };
    return this.#frames.length > 0 ? { frames: this.#nextFrames() } : undefined;
  }

  /** The deletions were sent. One that was added again meanwhile stays. */
  confirm(deletions: readonly Deletion[]): void {
    for (const deletion of deletions) {
      const key = keyOf(deletion.value);
      if (this.#deletions.get(key) === deletion) this.#deletions.delete(key);
    }
  }

  /** Drops the frames, so that only deletions are left. */
  dropFrames(): void {
    this.#take(this.#frames.length);
  }

  /** The deletions in front of the next frame. */
  #due(): Deletion[] {
    const due: Deletion[] = [];
    for (const deletion of this.#deletions.values()) {
      if (deletion.after > this.#taken || due.length === maxForgotten) break;
      due.push(deletion);
    }
    return due;
  }

  /** The frames in front of the next deletion, as many as fit into an entry. */
  #nextFrames(): RoutedFrame[] {
    const [next] = this.#deletions.values();
    const end = next ? next.after - this.#taken : this.#frames.length;
    let bytes = 0;
    const fitting = this.#frames.findIndex(
      ({ frame }, index) => index === end || (bytes += frame.length) > maxEntryBytes,
    );
    return this.#take(fitting === -1 ? end : Math.max(1, fitting));
  }

  #take(count: number): RoutedFrame[] {
    const taken = this.#frames.splice(0, count);
    for (const { frame } of taken) this.#bytes -= frame.length;
    this.#taken += taken.length;
    return taken;
  }
}

const keyOf = ({ publisherId, topic }: RetainedKey): string => `${publisherId} ${topic}`;
