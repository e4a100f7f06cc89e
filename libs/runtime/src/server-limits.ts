import { z } from 'zod';
import { AddressMap, type AddressState } from './address-map.ts';
import { AddressRates } from './address-rates.ts';
import { trustedProxiesConfig } from './client-connection.ts';
import { wholeNumber } from './config.ts';
import { TokenBucket } from './token-bucket.ts';

/** Settings of a server that limits what reaches it before a client is known. */
export const serverLimitsConfig = z.object({
  ...trustedProxiesConfig.shape,
  FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(500)
    .describe(
      'Maximum number of connections from one address. An office behind NAT is one address, and so is a /64 network of IPv6.',
    ),
  FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(200)
    .describe('New connections per second from one address; bursts of ten times as many.'),
  FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(100)
    .describe(
      'HTTP requests per second from one address without a valid API key, which has its own limit; bursts of ten times as many.',
    ),
});
export type ServerLimitsConfig = z.output<typeof serverLimitsConfig>;

export interface ServerLimitSettings {
  /** Maximum number of sockets from one address. */
  readonly sockets: number;
  /** New sockets per second from one address; bursts of ten times as many. */
  readonly socketsPerSecond: number;
  /** HTTP requests per second from one address; bursts of ten times as many. */
  readonly requestsPerSecond: number;
}

interface Address extends AddressState {
  readonly accepts: TokenBucket;
}

/** Limits what an address may cost a server before the server knows the client: sockets and HTTP requests. */
export class ServerLimits {
  readonly #addresses: AddressMap<Address>;
  readonly #requests: AddressRates;

  constructor(private readonly settings: ServerLimitSettings) {
    const { socketsPerSecond, requestsPerSecond } = settings;
    this.#addresses = new AddressMap((now) => {
      const accepts = new TokenBucket(socketsPerSecond, socketsPerSecond * 10, now);
      return { open: 0, accepts, rates: [accepts] };
    });
    this.#requests = new AddressRates(requestsPerSecond);
  }

  static of(config: ServerLimitsConfig): ServerLimits {
    return new ServerLimits({
      sockets: config.FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS,
      socketsPerSecond: config.FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS,
      requestsPerSecond: config.FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS,
    });
  }

  /** Counts a socket that was accepted. Returns what uncounts it, or undefined when it must be closed. */
  accept(address: string, now: number = performance.now()): (() => void) | undefined {
    const from = this.#addresses.of(address, now);
    if (from.open >= this.settings.sockets || !from.accepts.take(now)) return undefined;
    return this.#addresses.connect(from);
  }

  /** Takes an HTTP request of an address. Returns false above the limit. */
  mayRequest(address: string, now: number = performance.now()): boolean {
    return this.#requests.take(address, now);
  }
}
