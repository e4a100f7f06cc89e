import type { ChannelKind } from '@flotilla/contracts';
import { LostRanges } from './lost-ranges.ts';

/**
 * Buffered bytes of each channel to a subscriber at which the channel is paused: low where late frames are useless, high where none
 * should be lost. Their sum is below the send buffer of a transport (2,000,000 bytes).
 */
export const maxBufferedBytes: Readonly<Record<ChannelKind, number>> = {
  unreliable: 64 * 1024,
  limited: 256 * 1024,
  reliable: 1024 * 1024,
};

/** A paused channel is resumed when its buffered bytes are below this share of the maximum. */
const resumeBelow = 1 / 4;

/**
 * Flow control of one channel to one subscriber. The worker knows the buffered bytes, but a query costs a message. The last answer plus
 * the bytes sent since is an upper bound, so the worker is queried only when that bound is high.
 */
export class OutgoingChannel {
  readonly lost = new LostRanges();
  #maxBuffered = 0;
  #sentSinceQuery = 0;
  #querying = false;
  #paused = false;

  constructor(readonly kind: ChannelKind) {}

  get paused(): boolean {
    return this.#paused;
  }

  /** Upper bound on the buffered bytes. */
  get maxBuffered(): number {
    return this.#maxBuffered;
  }

  /** Counts a sent frame. Returns whether to query the worker now. */
  onSent(bytes: number): boolean {
    this.#maxBuffered += bytes;
    this.#sentSinceQuery += bytes;
    return this.#maxBuffered > maxBufferedBytes[this.kind] / 2 && this.startQuery();
  }

  /** Marks a query as in progress. False when one is in progress already. */
  startQuery(): boolean {
    if (this.#querying) return false;
    this.#querying = true;
    this.#sentSinceQuery = 0;
    return true;
  }

  /** Takes the worker's answer. Returns whether to pause or resume the channel. */
  onBuffered(bytes: number): 'pause' | 'resume' | undefined {
    this.#querying = false;
    this.#maxBuffered = bytes + this.#sentSinceQuery;
    const limit = maxBufferedBytes[this.kind];
    if (!this.#paused && bytes > limit) {
      this.#paused = true;
      return 'pause';
    }
    if (this.#paused && bytes < limit * resumeBelow) {
      this.#paused = false;
      return 'resume';
    }
    return undefined;
  }

  /** Handles an overflow of the worker's send buffer. Returns whether to pause the channel: false when it is paused already. */
  onOverflow(): boolean {
    if (this.#paused) return false;
    this.#paused = true;
    return true;
  }
}
