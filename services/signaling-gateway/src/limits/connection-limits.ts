import { TokenBucket } from '@flotilla/runtime';
import { FlotillaError } from '@flotilla/contracts';

export interface ConnectionLimitSettings {
  /** Connections of this gateway. */
  readonly total: number;
  /** Connections from one address. */
  readonly perAddress: number;
  /** New connections a second from one address, with ten times as many at once. */
  readonly perAddressPerSecond: number;
  /** Messages a second from all connections of one address, with three times as many at once. */
  readonly messagesPerAddressPerSecond: number;
}

interface Address {
  open: number;
  readonly bucket: TokenBucket;
  readonly messages: TokenBucket;
}

/** A connection that was let in. */
export interface Admission {
  /** Counts it out again. */
  readonly release: () => void;
  /** What all connections of its address may send together. */
  readonly messages: TokenBucket;
}

/** Addresses without an open connection that are remembered for their rate. */
const maxIdleAddresses = 10_000;

/** How many connections there are, from where, and how fast they come. */
export class ConnectionLimits {
  readonly #addresses = new Map<string, Address>();
  #open = 0;

  constructor(private readonly settings: ConnectionLimitSettings) {}

  /** Counts a connection in. Throws RATE_LIMITED, or OVERLOADED when the gateway is full. */
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
    if (this.#open >= total) throw new FlotillaError('OVERLOADED', `${total} connections are open, which is all`);
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
      if (this.#addresses.size >= maxIdleAddresses + this.#open) this.#forgetIdle(now);
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

  /** Forgets addresses that would be let in as if they were new; if that frees too little, the oldest idle ones. */
  #forgetIdle(now: number): void {
    const idle = [...this.#addresses].filter(([, { open }]) => open === 0);
    const rested = idle.filter(([, { bucket, messages }]) => bucket.isFull(now) && messages.isFull(now));
    const most = Math.ceil(maxIdleAddresses / 10);
    for (const [address] of rested.length >= most ? rested : idle.slice(0, most)) this.#addresses.delete(address);
  }

  /** Addresses that are remembered. */
  get remembered(): number {
    return this.#addresses.size;
  }

  get open(): number {
    return this.#open;
  }
}
