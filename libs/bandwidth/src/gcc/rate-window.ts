const bucketMs = 10;

/** A bit rate over a sliding window, in buckets of 10 ms: its memory does not depend on the rate. */
export class RateWindow {
  readonly #bytes: Float64Array;
  /** Number of the newest bucket. */
  #newest: number | undefined;
  #oldest = 0;
  #sum = 0;

  constructor(private readonly windowMs: number) {
    this.#bytes = new Float64Array(Math.ceil(windowMs / bucketMs));
  }

  /** Adds bytes at a time. Bytes older than the window are ignored; a clock that is set back by more starts the window again. */
  add(atMs: number, bytes: number): void {
    const bucket = Math.floor(atMs / bucketMs);
    const { length } = this.#bytes;
    if (this.#newest === undefined || bucket <= this.#newest - 100 * length || bucket >= this.#newest + length) {
      this.#bytes.fill(0);
      this.#sum = 0;
      this.#newest = this.#oldest = bucket;
    }
    if (bucket <= this.#newest - length) return;
    while (this.#newest < bucket) {
      this.#newest++;
      const at = index(this.#newest, length);
      this.#sum -= this.#bytes[at]!;
      this.#bytes[at] = 0;
    }
    this.#bytes[index(bucket, length)]! += bytes;
    this.#sum += bytes;
  }

  /** bit/s; undefined until it has measured for half of its length. */
  get bitrate(): number | undefined {
    if (this.#newest === undefined) return undefined;
    const measuredMs = (this.#newest - this.#oldest + 1) * bucketMs;
    if (measuredMs * 2 < this.windowMs) return undefined;
    return (Math.max(0, this.#sum) * 8000) / Math.min(measuredMs, this.#bytes.length * bucketMs);
  }
}

const index = (bucket: number, length: number): number => ((bucket % length) + length) % length;
