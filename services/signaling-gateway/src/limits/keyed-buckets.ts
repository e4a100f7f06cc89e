/** Maximum number of keys whose buckets are kept. A full bucket is forgotten without a difference. */
const maxKeys = 10_000;

interface Bucket {
  isFull(now: number): boolean;
}

/** A bucket for each key, of which a bounded number is kept. */
export class KeyedBuckets<B extends Bucket> {
  readonly #buckets = new Map<string, B>();

  constructor(private readonly create: (now: number) => B) {}

  of(key: string, now: number): B {
    const known = this.#buckets.get(key);
    if (known) return known;
    if (this.#buckets.size >= maxKeys) this.#forget(now);
    const created = this.create(now);
    this.#buckets.set(key, created);
    return created;
  }

  /** Number of keys whose buckets are kept. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Forgets full buckets; if those are too few, the oldest tenth. */
  #forget(now: number): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(key);
    const excess = this.#buckets.size - maxKeys * 0.9;
    for (const key of [...this.#buckets.keys()].slice(0, Math.max(0, excess))) this.#buckets.delete(key);
  }
}
