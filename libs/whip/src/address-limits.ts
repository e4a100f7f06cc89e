import { TokenBucket } from '@flotilla/runtime';

/** Addresses whose rate is remembered at most; above, those that made no request lately are forgotten. */
const maxAddresses = 10_000;
/** Requests in a burst, as a multiple of those per second. */
const burstFactor = 10;

/** The rate of requests of each address. */
export class AddressRates {
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(private readonly perSecond: number) {}

  /** Takes a request. Returns false above the limit. */
  take(address: string): boolean {
    let bucket = this.#buckets.get(address);
    if (!bucket) {
      if (this.#buckets.size >= maxAddresses) this.#forget();
      bucket = new TokenBucket(this.perSecond, this.perSecond * burstFactor);
      this.#buckets.set(address, bucket);
    }
    return bucket.take();
  }

  #forget(): void {
    for (const [address, bucket] of this.#buckets) if (bucket.isFull()) this.#buckets.delete(address);
    // All of them are busy: the longest known ones make room.
    for (const address of this.#buckets.keys()) {
      if (this.#buckets.size < maxAddresses) return;
      this.#buckets.delete(address);
    }
  }
}
