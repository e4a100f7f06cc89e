import { FlotillaError } from '@flotilla/contracts';
import { SharedBucket, TokenBucket } from '@flotilla/runtime';
import { fanOutBytes, type SentMessage, takeMessage } from './fan-out.ts';
import { KeyedBuckets } from './keyed-buckets.ts';

/** Bursts, in seconds of the rate. Below the unsent bytes at which a receiver is disconnected. */
export const userBurstSeconds = 3;

/** What a user has sent, with all its sessions on this gateway. */
interface Sender {
  readonly all: TokenBucket;
  /** Its own part of the rates of receivers. */
  readonly part: TokenBucket;
  isFull(now: number): boolean;
}

/** A message outside rooms. */
export interface UserMessage extends SentMessage {
  /** Id of the user that sends it. */
  readonly from: string;
  /** Id of the user that receives it, or `*`. */
  readonly to: string;
}

/**
 * Limits the bytes of messages to each user from this gateway, and from each user: the senders are refused, before a receiver falls
 * behind, and before the messages that are kept fill the store. Those that send little are refused last. Addresses have no rate of
 * their own: their messages are limited by cost, which counts the bytes.
 */
export class UserBytes {
  readonly #receivers: KeyedBuckets<SharedBucket>;
  readonly #senders: KeyedBuckets<Sender>;

  constructor(private readonly bytesPerSecond: number) {
    const newRate = (now: number): SharedBucket => new SharedBucket(bytesPerSecond, userBurstSeconds, now);
    this.#receivers = new KeyedBuckets(newRate);
    this.#senders = new KeyedBuckets((now) => {
      const all = new TokenBucket(bytesPerSecond, bytesPerSecond * userBurstSeconds, now);
      const part = newRate(now).newSender(now);
      return { all, part, isFull: (at) => all.isFull(at) && part.isFull(at) };
    });
  }

  /** Throws RATE_LIMITED, and takes nothing then. */
  take({ from, to, ...message }: UserMessage, now: number = performance.now()): void {
    const sender = this.#senders.of(from, now);
    const receiver = this.#receivers.of(to, now);
    const { bytesPerSecond } = this;
    // A sent message counts once, also with many receivers. It may be larger than a burst, depending on the settings.
    const sent = Math.min(fanOutBytes(message.bytes, 1), sender.all.burst);
    if (!sender.all.has(now, sent)) throw refusal(`more than ${bytesPerSecond} bytes of messages a second from you`);
    if (!takeMessage(receiver, message, sender.part, now))
      throw refusal(`more than ${bytesPerSecond} bytes of messages a second to this receiver`);
    sender.all.take(now, sent);
  }

  /** Number of users whose rates are kept, as senders and as receivers. */
  get tracked(): number {
    return this.#senders.size + this.#receivers.size;
  }
}

const refusal = (what: string): FlotillaError => new FlotillaError('RATE_LIMITED', `${what}; see docs/limits.md`);
