import type { ChannelKind } from '@flotilla/contracts';
import { LostRanges } from './lost-ranges.ts';

/**
 * What may wait to be sent to one subscriber over each channel before it is held, bytes: little where frames are worth
 * nothing when they are late, much where none should be lost. Together below what a transport buffers (2,000,000).
 */
export const maxBacklogBytes: Readonly<Record<ChannelKind, number>> = {
  unreliable: 64 * 1024,
  limited: 256 * 1024,
  reliable: 1024 * 1024,
};

/** A channel that was held takes frames again when less than this waits, as a share of what may wait. */
const releaseBelow = 1 / 4;

/**
 * One channel to one subscriber, as far as its backlog goes. The worker knows what waits, and asking it costs a message; what
 * was sent since the last answer is a bound on it, so it is asked only when the bound is reached.
 */
export class OutgoingChannel {
  readonly lost = new LostRanges();
  #atMost = 0;
  #sinceAsked = 0;
  #asking = false;
  #held = false;

  constructor(readonly kind: ChannelKind) {}

  get held(): boolean {
    return this.#held;
  }

  /** No more than this waits to be sent. */
  get atMost(): number {
    return this.#atMost;
  }

  /** A frame is sent over it. True when the worker has to be asked now. */
  sent(bytes: number): boolean {
    this.#atMost += bytes;
    this.#sinceAsked += bytes;
    return this.#atMost > maxBacklogBytes[this.kind] / 2 && this.ask();
  }

  /** True when the worker is to be asked: it is not being asked yet. */
  ask(): boolean {
    if (this.#asking) return false;
    this.#asking = true;
    this.#sinceAsked = 0;
    return true;
  }

  /** The worker's answer. What has to happen now, if anything. */
  answered(bytes: number): 'hold' | 'release' | undefined {
    this.#asking = false;
    this.#atMost = bytes + this.#sinceAsked;
    const most = maxBacklogBytes[this.kind];
    if (!this.#held && bytes > most) {
      this.#held = true;
      return 'hold';
    }
    if (this.#held && bytes < most * releaseBelow) {
      this.#held = false;
      return 'release';
    }
    return undefined;
  }

  /** The worker threw frames away because its buffer is full. True when the channel is to be held for it. */
  overflowed(): boolean {
    if (this.#held) return false;
    this.#held = true;
    return true;
  }
}
