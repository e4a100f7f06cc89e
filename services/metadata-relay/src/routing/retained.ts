import type { Shard } from '@flotilla/data-channel';

/** Maximum size of a retained message. */
export const maxRetainedMessageBytes = 64 * 1024;
/** Maximum total size of the retained messages of a room. */
export const maxRetainedRoomBytes = 4 * 1024 * 1024;

interface Message {
  readonly seqId: number;
  readonly frames: (Uint8Array | undefined)[];
  missing: number;
  bytes: number;
}

/** Bytes retained by a room. */
export class RetainedBudget {
  #used = 0;

  constructor(private readonly limit: number = maxRetainedRoomBytes) {}

  /** Reserves bytes; a negative number releases them. False when the limit would be exceeded. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }
}

/** The last complete message of one publisher on a topic, and the newer one that is being assembled from shards. */
export class Retained {
  #complete: Message | undefined;
  #incomplete: Message | undefined;

  constructor(private readonly budget: RetainedBudget) {}

  /** Sequence id of the retained message; undefined when there is none. */
  get seqId(): number | undefined {
    return this.#complete?.seqId;
  }

  /** Frames of the retained message. */
  get frames(): readonly Uint8Array[] {
    return (this.#complete?.frames ?? []) as Uint8Array[];
  }

  /**
   * Adds a frame with the retain flag. Returns whether it completes its message, which then replaces the retained one. A message that
   * is older, too long or above the room's limit is ignored, and the previous one stays.
   */
  add(shard: Pick<Shard, 'seqId' | 'index' | 'total' | 'size'>, frame: Uint8Array): boolean {
    const { seqId, index, total, size } = shard;
    if (size > maxRetainedMessageBytes || seqId <= (this.#complete?.seqId ?? -1)) return false;
    if (this.#incomplete && seqId < this.#incomplete.seqId) return false;
    if (seqId !== this.#incomplete?.seqId || total !== this.#incomplete.frames.length) {
      this.#drop(this.#incomplete);
      this.#incomplete = { seqId, frames: Array.from({ length: total }), missing: total, bytes: 0 };
    }
    const incomplete = this.#incomplete;
    if (incomplete.frames[index] || !this.budget.take(frame.length)) return false;
    incomplete.frames[index] = frame;
    incomplete.bytes += frame.length;
    if (--incomplete.missing > 0) return false;
    this.#drop(this.#complete);
    this.#complete = incomplete;
    this.#incomplete = undefined;
    return true;
  }

  #drop(message: Message | undefined): void {
    if (message) this.budget.take(-message.bytes);
  }

  close(): void {
    this.#drop(this.#complete);
    this.#drop(this.#incomplete);
    this.#complete = this.#incomplete = undefined;
  }
}
