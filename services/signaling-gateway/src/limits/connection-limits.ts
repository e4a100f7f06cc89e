import { TokenBucket } from '@flotilla/runtime';
import { FlotillaError } from '@flotilla/contracts';
import { prefixOf } from '@flotilla/runtime';

export interface ConnectionLimitSettings {
  /** Maximum number of connections of this gateway. */
  readonly total: number;
  /** Maximum number of connections from one address. */
  readonly perAddress: number;
  /** New connections per second from one address; bursts of ten times as many. */
  readonly perAddressPerSecond: number;
  /** Messages per second from all connections of one address; bursts of three times as many. */
  readonly messagesPerAddressPerSecond: number;
  /** HTTP requests per second from one address; bursts of ten times as many. */
  readonly requestsPerAddressPerSecond: number;
}

/**
 * A socket without a session costs less than one with it, but is closed without an answer: so many more of them than of
 * connections are accepted, for what ends as a refusal, a plain request, or a connection that replaces one.
 */
const socketsPerConnection = 2;

interface Address {
  open: number;
  /** Sockets, with or without a session. */
  sockets: number;
  readonly accepts: TokenBucket;
  readonly connects: TokenBucket;
  readonly messages: TokenBucket;
  readonly requests: TokenBucket;
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

/**
 * Limits connections, in total and per address: their number and the rate of new ones, before and after a handshake, and of their
 * requests and messages. Of IPv6 an address is a network of 64 bits, see `prefixOf`.
 */
export class ConnectionLimits {
  readonly #addresses = new Map<string, Address>();
  #open = 0;
  #sockets = 0;

  constructor(private readonly settings: ConnectionLimitSettings) {}

  /** Counts a socket that was accepted. Returns what uncounts it, or undefined when it must be closed. */
  accept(address: string, now: number = performance.now()): (() => void) | undefined {
    const from = this.#address(address, now);
    if (from.sockets >= this.settings.perAddress * socketsPerConnection || !from.accepts.take(now)) return undefined;
    from.sockets++;
    this.#sockets++;
    return once(() => {
      from.sockets--;
      this.#sockets--;
    });
  }

  /** Whether an address may send an HTTP request now. */
  mayRequest(address: string, now: number = performance.now()): boolean {
    return this.#address(address, now).requests.take(now);
  }

  /** Counts a connection. Throws as `check`. */
  admit(address: string, now: number = performance.now()): Admission {
    const from = this.check(address, now);
    from.connects.take(now);
    from.open++;
    this.#open++;
    const release = once(() => {
      from.open--;
      this.#open--;
    });
    return { release, messages: from.messages };
  }

  /** Throws what a connection would be refused with: RATE_LIMITED, or OVERLOADED when the gateway is full. */
  check(address: string, now: number = performance.now()): Address {
    const { total, perAddress, perAddressPerSecond } = this.settings;
    const from = this.#address(address, now);
    if (from.open >= perAddress)
      throw new FlotillaError('RATE_LIMITED', `${perAddress} connections from this address are open`);
    if (!from.connects.has(now))
      throw new FlotillaError(
        'RATE_LIMITED',
        `more than ${perAddressPerSecond} connections a second from this address`,
      );
    if (this.#open >= total)
      throw new FlotillaError('OVERLOADED', `${total} connections are open, the limit of this gateway`);
    return from;
  }

  #address(address: string, now: number): Address {
    const prefix = prefixOf(address);
    let known = this.#addresses.get(prefix);
    if (!known) {
      if (this.#addresses.size >= maxIdleAddresses + this.#open + this.#sockets) this.#evictIdle(now);
      const {
        perAddressPerSecond: connects,
        messagesPerAddressPerSecond: messages,
        requestsPerAddressPerSecond: requests,
      } = this.settings;
      const accepts = connects * socketsPerConnection;
      known = {
        open: 0,
        sockets: 0,
        accepts: new TokenBucket(accepts, accepts * 10, now),
        connects: new TokenBucket(connects, connects * 10, now),
        messages: new TokenBucket(messages, messages * 3, now),
        requests: new TokenBucket(requests, requests * 10, now),
      };
      this.#addresses.set(prefix, known);
    }
    return known;
  }

  /** Evicts addresses whose rate limits are unused; if those are too few, the oldest idle ones. */
  #evictIdle(now: number): void {
    const idle = [...this.#addresses].filter(([, { open, sockets }]) => open + sockets === 0);
    const unused = idle.filter(([, { accepts, connects, messages, requests }]) =>
      [accepts, connects, messages, requests].every((bucket) => bucket.isFull(now)),
    );
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

/** A function that does its work at its first call only. */
function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
