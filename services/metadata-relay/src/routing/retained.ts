import { maxRetainedMessageBytes } from '@flotilla/contracts';
import type { Shard } from '@flotilla/data-channel';
import { refusals } from '../metrics.ts';
import type { RetainedLimit, RetainedShare } from './retained-budget.ts';

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
  /** Sequence id of the newest complete message; -1 when any message is newer. */
  #lastSeqId = -1;
  /** The last message that was refused, so that its other frames are not added. */
  #refusedSeqId: number | undefined;

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
    if (seqId <= this.#lastSeqId || seqId === this.#refusedSeqId) return false;
    if (this.#incomplete && seqId < this.#incomplete.seqId) return false;
    if (size > maxRetainedMessageBytes) return this.#refuse(seqId, 'size');
    const valueLimit = this.isEmpty ? this.share.takeValue() : undefined;
    if (valueLimit) return this.#refuse(seqId, valueLimit);
    if (seqId !== this.#incomplete?.seqId || total !== this.#incomplete.frames.length) {
      this.#drop(this.#incomplete);
      this.#incomplete = { seqId, frames: Array.from({ length: total }), missing: total, bytes: 0 };
    }
    const incomplete = this.#incomplete;
    if (incomplete.frames[index]) return false;
    const bytesLimit = this.share.takeBytes(frame.length);
    if (bytesLimit) return this.#refuse(seqId, bytesLimit);
    incomplete.frames[index] = frame;
    incomplete.bytes += frame.length;
    if (--incomplete.missing > 0) return false;
    this.#drop(this.#complete);
    this.#complete = incomplete;
    this.#incomplete = undefined;
    this.#lastSeqId = seqId;
    return true;
  }

  /** The sequence ids begin anew: the next complete message replaces the retained one, whatever its id. */
  restart(): void {
    this.#dropIncomplete();
    this.#lastSeqId = -1;
    this.#refusedSeqId = undefined;
  }

  #refuse(seqId: number, reason: RetainedLimit | 'size'): false {
    refusals.inc({ reason });
    this.#refusedSeqId = seqId;
    this.#dropIncomplete();
    return false;
  }

  #dropIncomplete(): void {
    if (!this.#incomplete) return;
    this.#drop(this.#incomplete);
    this.#incomplete = undefined;
    if (!this.#complete) this.share.releaseValue();
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
