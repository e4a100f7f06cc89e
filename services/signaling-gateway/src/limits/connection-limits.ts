import { TokenBucket } from '@flotilla/runtime';
import { FlotillaError } from '@flotilla/contracts';

export interface ConnectionLimitSettings {
  /** Maximum number of connections of this gateway. */
  readonly total: number;
  /** Maximum number of connections from one address. */
  readonly perAddress: number;
  /** New connections per second from one address; bursts of ten times as many. */
  readonly perAddressPerSecond: number;
  /** Messages per second from all connections of one address; bursts of three times as many. */
  readonly messagesPerAddressPerSecond: number;
}

interface Address {
  open: number;
  readonly bucket: TokenBucket;
  readonly messages: TokenBucket;
}

/** A counted connection. */
export interface Admission {
  /** Uncounts it. Repeated calls do nothing. */
  readonly release: () => void;
  /** Rate limit shared by all connections of the address. */
  readonly messages: TokenBucket;
}

/** Maximum number of addresses without a connection whose rates are kept. */
const maxIdleAddresses = 10_000;

/** Limits the number of connections, in total and per address, and the rate of new ones per address. */
export class ConnectionLimits {
  readonly #addresses = new Map<string, Address>();
  #open = 0;

  constructor(private readonly settings: ConnectionLimitSettings) {}

  /** Counts a connection. Throws RATE_LIMITED, or OVERLOADED when the gateway is full. */
  admit(address: string, now: number = performance.now()): Admission {
    const { total, perAddress, perAddressPerSecond } = this.settings;
    const from = this.#address(address, now);
    if (from.open >= perAddress)
      throw new FlotillaError('RATE_LIMITED', `${perAddress} connections from this address are open`);
    if (!from.bucket.take(now))
      throw new FlotillaError(
        'RATE_LIMITED',
        `more than ${perAddressPerSecond} connections a second from this address`,
      );
    if (this.#open >= total)
      throw new FlotillaError('OVERLOADED', `${total} connections are open, the limit of this gateway`);
    from.open++;
    this.#open++;
    let counted = true;
    const release = (): void => {
      if (!counted) return;
      counted = false;
      from.open--;
      this.#open--;
    };
    return { release, messages: from.messages };
  }

  #address(address: string, now: number): Address {
    let known = this.#addresses.get(address);
    if (!known) {
      if (this.#addresses.size >= maxIdleAddresses + this.#open) this.#evictIdle(now);
      const { perAddressPerSecond: connects, messagesPerAddressPerSecond: messages } = this.settings;
      known = {
        open: 0,
        bucket: new TokenBucket(connects, connects * 10, now),
        messages: new TokenBucket(messages, messages * 3, now),
      };
      this.#addresses.set(address, known);
    }
    return known;
  }

  /** Evicts addresses whose rate limits are unused; if those are too few, the oldest idle ones. */
  #evictIdle(now: number): void {
    const idle = [...this.#addresses].filter(([, { open }]) => open === 0);
    const unused = idle.filter(([, { bucket, messages }]) => bucket.isFull(now) && messages.isFull(now));
    const minimum = Math.ceil(maxIdleAddresses / 10);
    for (const [address] of unused.length >= minimum ? unused : idle.slice(0, minimum)) this.#addresses.delete(address);
  }

  /** Number of addresses whose rates are kept. */
  get trackedAddresses(): number {
    return this.#addresses.size;
  }

  get open(): number {
    return this.#open;
  }
}
