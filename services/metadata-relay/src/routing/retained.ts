import { maxRetainedMessageBytes } from '@flotilla/contracts';
import type { Shard } from '@flotilla/data-channel';
import type { RetainedShare } from './retained-budget.ts';

interface Message {
  readonly seqId: number;
  readonly frames: (Uint8Array | undefined)[];
  missing: number;
  bytes: number;
}

/** The last complete message of one publisher on a topic, and the newer one that is being assembled from shards. */
export class Retained {
  #complete: Message | undefined;
  #incomplete: Message | undefined;

  constructor(private readonly share: RetainedShare) {}

  /** Sequence id of the retained message; undefined when there is none. */
  get seqId(): number | undefined {
    return this.#complete?.seqId;
  }

  /** Whether nothing is kept. */
  get isEmpty(): boolean {
    return !this.#complete && !this.#incomplete;
  }

  /** Frames of the retained message. */
  get frames(): readonly Uint8Array[] {
    return (this.#complete?.frames ?? []) as Uint8Array[];
  }

  /**
   * Adds a frame with the retain flag. Returns whether it completes its message, which then replaces the retained one. A message that
   * is older, too long or above the limits of its user or the room is ignored, and the previous one stays.
   */
  add(shard: Pick<Shard, 'seqId' | 'index' | 'total' | 'size'>, frame: Uint8Array): boolean {
    const { seqId, index, total, size } = shard;
    if (size > maxRetainedMessageBytes || seqId <= (this.#complete?.seqId ?? -1)) return false;
    if (this.#incomplete && seqId < this.#incomplete.seqId) return false;
    if (this.isEmpty && !this.share.takeValue()) return false;
    if (seqId !== this.#incomplete?.seqId || total !== this.#incomplete.frames.length) {
      this.#drop(this.#incomplete);
      this.#incomplete = { seqId, frames: Array.from({ length: total }), missing: total, bytes: 0 };
    }
    const incomplete = this.#incomplete;
    if (incomplete.frames[index] || !this.share.takeBytes(frame.length)) return false;
    incomplete.frames[index] = frame;
    incomplete.bytes += frame.length;
    if (--incomplete.missing > 0) return false;
    this.#drop(this.#complete);
    this.#complete = incomplete;
    this.#incomplete = undefined;
    return true;
  }

  #drop(message: Message | undefined): void {
    if (message) this.share.releaseBytes(message.bytes);
  }

  close(): void {
    if (this.isEmpty) return;
    this.share.releaseValue();
    this.#drop(this.#complete);
    this.#drop(this.#incomplete);
    this.#complete = this.#incomplete = undefined;
  }
}
