import { AddressMap } from './address-map.ts';
import { TokenBucket } from './token-bucket.ts';

/** Requests in a burst, as a multiple of those per second. */
const burstFactor = 10;

/** The rate of requests of each address; bursts of ten times as many as per second. */
export class AddressRates {
  readonly #addresses: AddressMap<{ open: number; readonly rates: readonly [TokenBucket] }>;

  constructor(perSecond: number) {
    this.#addresses = new AddressMap((now) => ({
      open: 0,
      rates: [new TokenBucket(perSecond, perSecond * burstFactor, now)],
    }));
  }

  /** Takes a request. Returns false above the limit. */
  take(address: string, now: number = performance.now()): boolean {
    return this.#addresses.of(address, now).rates[0].take(now);
  }
}
