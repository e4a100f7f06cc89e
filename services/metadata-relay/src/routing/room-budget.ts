import { SharedBucket, type TokenBucket } from '@flotilla/runtime';

/** What a frame costs at least, each time that it is received or sent: most of the work is per packet, not per byte. */
const minFrameCost = 512;
const burstSeconds = 2;

/**
 * Limits the work of one room, so that others on its relay are served: the bytes of its frames, once as received and once for each
 * subscriber. Frames of links that send little are dropped last.
 */
export class RoomBudget {
  readonly #bytes: SharedBucket;

  constructor(bytesPerSecond: number, now: number) {
    this.#bytes = new SharedBucket(bytesPerSecond, burstSeconds, now);
  }

  /** What one link has sent, for `admits`. */
  newSender(now: number): TokenBucket {
    return this.#bytes.newSender(now);
  }

  /** Whether a frame of `bytes` may be sent to `subscribers`. Frames of other relays have no sender. */
  admits(bytes: number, subscribers: number, sender: TokenBucket | undefined, now: number): boolean {
    return this.#bytes.take(Math.max(bytes, minFrameCost) * (1 + subscribers), sender, now);
  }
}
