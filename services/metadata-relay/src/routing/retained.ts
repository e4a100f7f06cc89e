import type { Shard } from '@flotilla/data-channel';

/** The longest message that is retained, and what one room retains, bytes. */
export const maxRetainedMessageBytes = 64 * 1024;
export const maxRetainedRoomBytes = 4 * 1024 * 1024;

interface Message {
  readonly seqId: number;
  readonly frames: (Uint8Array | undefined)[];
  missing: number;
  bytes: number;
}

/** What a room retains, counted in bytes. */
export class RetainedBudget {
  #used = 0;

  constructor(private readonly most: number = maxRetainedRoomBytes) {}

  /** Takes room, or gives it back. False when there is none. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.most) return false;
    this.#used += bytes;
    return true;
  }
}

/** The last complete message of one publisher on a topic, and the newer one whose shards are coming. */
export class Retained {
  #complete: Message | undefined;
  #coming: Message | undefined;

  constructor(private readonly budget: RetainedBudget) {}

  get seqId(): number | undefined {
    return this.#complete?.seqId;
  }

  get frames(): readonly Uint8Array[] {
    return (this.#complete?.frames ?? []) as Uint8Array[];
  }

  /**
   * A frame that asks to be retained. True when its message is the retained one from now on. Of what is older, too long or
   * too much nothing is kept; the message before it stays.
   */
  add(shard: Pick<Shard, 'seqId' | 'index' | 'total' | 'size'>, frame: Uint8Array): boolean {
    const { seqId, index, total, size } = shard;
    if (size > maxRetainedMessageBytes || seqId <= (this.#complete?.seqId ?? -1)) return false;
    if (this.#coming && seqId < this.#coming.seqId) return false;
    if (seqId !== this.#coming?.seqId || total !== this.#coming.frames.length) {
      this.#drop(this.#coming);
      this.#coming = { seqId, frames: Array.from({ length: total }), missing: total, bytes: 0 };
    }
    const coming = this.#coming;
    if (coming.frames[index] || !this.budget.take(frame.length)) return false;
    coming.frames[index] = frame;
    coming.bytes += frame.length;
    if (--coming.missing > 0) return false;
    this.#drop(this.#complete);
    this.#complete = coming;
    this.#coming = undefined;
    return true;
  }

  #drop(message: Message | undefined): void {
    if (message) this.budget.take(-message.bytes);
  }

  close(): void {
    this.#drop(this.#complete);
    this.#drop(this.#coming);
    this.#complete = this.#coming = undefined;
  }
}
