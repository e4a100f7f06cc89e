import { TokenBucket } from './token-bucket.ts';

/** A sender's own part of the rate. Below it, the sender may use what others must leave. */
const ownShare = 1 / 64;
/** Part of the burst that senders above their own part must leave to the others. */
const reservedShare = 1 / 4;

/** A rate that several senders share, of which one that sends much leaves a part to those that send little. Without a timer. */
export class SharedBucket {
  readonly #tokens: TokenBucket;

  constructor(
    private readonly perSecond: number,
    private readonly burstSeconds: number,
    now: number = performance.now(),
  ) {
    this.#tokens = new TokenBucket(perSecond, perSecond * burstSeconds, now);
  }

  /** What one sender has sent, for `take`. `left`: how much of its own part it has left then, from 0 to 1. */
  newSender(now: number = performance.now(), left = 1): TokenBucket {
    const perSecond = this.perSecond * ownShare;
    const burst = perSecond * this.burstSeconds;
    return new TokenBucket(perSecond, burst, now, left * burst);
  }

  /**
   * Takes `count` tokens, of the sender's part too. Returns false, and takes none, when there are too few.
   *
   * @param sender from `newSender`. Without one, the sender is above its own part.
   * @param own what is taken of the sender's part
   */
  take(count: number, sender?: TokenBucket, now: number = performance.now(), own = count): boolean {
    const isBelow = sender?.has(now, own) ?? false;
    if (!this.#tokens.has(now, isBelow ? count : count + this.reserved)) return false;
    if (isBelow) sender?.take(now, own);
    return this.#tokens.take(now, count);
  }

  /** Gives back tokens that were taken without a sender. */
  give(count: number, now: number = performance.now()): void {
    this.#tokens.give(now, count);
  }

  /** What senders above their own part leave to the others. */
  get reserved(): number {
    return this.#tokens.burst * reservedShare;
  }

  /** The most to take at once. Senders above their own part get it from a bucket that is three quarters full, which others keep from being full. */
  get largest(): number {
    return this.#tokens.burst / 2;
  }

  /** Whether it has all its tokens. */
  isFull(now: number = performance.now()): boolean {
    return this.#tokens.isFull(now);
  }
}
