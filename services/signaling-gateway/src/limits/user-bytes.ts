import { FlotillaError } from '@flotilla/contracts';
import { SharedBucket, TokenBucket } from '@flotilla/runtime';
import { KeyedBuckets } from './keyed-buckets.ts';

/** Bursts, in seconds of the rate. Below the unsent bytes at which a receiver is disconnected. */
export const userBurstSeconds = 3;

/** Rate of all senders of one address, as a multiple of that of one user. */
export const usersPerAddress = 2;

/** What a user has sent, with all its sessions on this gateway. */
interface Sender {
  readonly all: TokenBucket;
  /** Its own part of the rates of receivers. */
  readonly part: TokenBucket;
  isFull(now: number): boolean;
}

/** A message outside rooms. */
export interface UserMessage {
  /** Id of the user that sends it. */
  readonly from: string;
  /** Id of the user that receives it, or `*`. */
  readonly to: string;
  /** What it takes of the rate of its sender, and of that of its receiver, see `fanOutBytes`. */
  readonly bytes: number;
  readonly bytesToAll: number;
  /** The rate of the address that it is sent from. */
  readonly ofAddress: TokenBucket | undefined;
}

/**
 * Limits the bytes of messages to each user from this gateway, from each user, and from each address: the senders are refused, before a
 * receiver falls behind, and before the messages that are kept fill the store. Those that send little are refused last.
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
  take({ from, to, bytes, bytesToAll, ofAddress }: UserMessage, now: number = performance.now()): void {
    const sender = this.#senders.of(from, now);
    const receiver = this.#receivers.of(to, now);
    const { bytesPerSecond } = this;
    if (!sender.all.has(now, bytes)) throw refusal(`more than ${bytesPerSecond} bytes of messages a second from you`);
    if (ofAddress?.has(now, bytes) === false)
      throw refusal(`more than ${bytesPerSecond * usersPerAddress} bytes of messages a second from this address`);
    if (!receiver.take(Math.min(bytesToAll, receiver.largest), sender.part, now))
      throw refusal(`more than ${bytesPerSecond} bytes of messages a second to this receiver`);
    sender.all.take(now, bytes);
    ofAddress?.take(now, bytes);
  }

  /** Number of users whose rates are kept, as senders and as receivers. */
  get tracked(): number {
    return this.#senders.size + this.#receivers.size;
  }
}

const refusal = (what: string): FlotillaError => new FlotillaError('RATE_LIMITED', `${what}; see docs/limits.md`);
