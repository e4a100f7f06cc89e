import { TokenBucket } from '@flotilla/runtime';
import { FlotillaError } from '@flotilla/contracts';

export interface ConnectionLimitSettings {
  /** Connections of this gateway. */
  readonly total: number;
  /** Connections from one address. */
  readonly perAddress: number;
  /** New connections a second from one address, with ten times as many at once. */
  readonly perAddressPerSecond: number;
}

interface Address {
  open: number;
  readonly bucket: TokenBucket;
}

/** Addresses without an open connection that are remembered for their rate. */
const maxIdleAddresses = 10_000;

/** How many connections there are, from where, and how fast they come. */
export class ConnectionLimits {
  readonly #addresses = new Map<string, Address>();
  #open = 0;

  constructor(private readonly settings: ConnectionLimitSettings) {}

  /** Counts a connection in and returns what counts it out again. Throws RATE_LIMITED, or OVERLOADED when the gateway is full. */
  admit(address: string, now: number = performance.now()): () => void {
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
    return () => {
      if (!counted) return;
      counted = false;
      from.open--;
      this.#open--;
    };
  }

  #address(address: string, now: number): Address {
    let known = this.#addresses.get(address);
    if (!known) {
      if (this.#addresses.size >= maxIdleAddresses + this.#open) this.#forgetIdle(now);
      const perSecond = this.settings.perAddressPerSecond;
      known = { open: 0, bucket: new TokenBucket(perSecond, perSecond * 10, now) };
      this.#addresses.set(address, known);
    }
    return known;
  }

  /** Forgets addresses that would be let in as if they were new; if that frees too little, the oldest idle ones. */
  #forgetIdle(now: number): void {
    const idle = [...this.#addresses].filter(([, { open }]) => open === 0);
    const rested = idle.filter(([, { bucket }]) => bucket.isFull(now));
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
