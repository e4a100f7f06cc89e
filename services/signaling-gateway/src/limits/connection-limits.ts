import { FlotillaError } from '@flotilla/contracts';
import { AddressMap, type AddressState, TokenBucket } from '@flotilla/runtime';

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

/** Its open connections are those that are admitted. */
interface Address extends AddressState {
  readonly connects: TokenBucket;
  readonly messages: TokenBucket;
}

/** A counted connection. */
export interface Admission {
  /** Uncounts it. Repeated calls do nothing. */
  readonly release: () => void;
  /** Rate limit shared by all connections of the address. */
  readonly messages: TokenBucket;
}

/**
 * Limits connections that are admitted, in total and per address: their number, the rate of new ones, and of their messages. What
 * reaches the server before has limits of its own, see `protectServer`.
 */
export class ConnectionLimits {
  readonly #addresses: AddressMap<Address>;

  constructor(private readonly settings: ConnectionLimitSettings) {
    const { perAddressPerSecond, messagesPerAddressPerSecond } = settings;
    this.#addresses = new AddressMap((now) => {
      const connects = new TokenBucket(perAddressPerSecond, perAddressPerSecond * 10, now);
      const messages = new TokenBucket(messagesPerAddressPerSecond, messagesPerAddressPerSecond * 3, now);
      return { open: 0, connects, messages, rates: [connects, messages] };
    });
  }

  /** Counts a connection. Throws as `check`. */
  admit(address: string, now: number = performance.now()): Admission {
    const from = this.check(address, now);
    from.connects.take(now);
    return { release: this.#addresses.connect(from), messages: from.messages };
  }

  /** Throws what a connection would be refused with: RATE_LIMITED, or OVERLOADED when the gateway is full. */
  check(address: string, now: number = performance.now()): Address {
    const { total, perAddress, perAddressPerSecond } = this.settings;
    const from = this.#addresses.of(address, now);
    if (from.open >= perAddress)
      throw new FlotillaError('RATE_LIMITED', `${perAddress} connections from this address are open`);
    if (!from.connects.has(now))
      throw new FlotillaError(
        'RATE_LIMITED',
        `more than ${perAddressPerSecond} connections a second from this address`,
      );
    if (this.open >= total)
      throw new FlotillaError('OVERLOADED', `${total} connections are open, the limit of this gateway`);
    return from;
  }

  get open(): number {
    return this.#addresses.open;
  }
}
