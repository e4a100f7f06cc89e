export interface RetryOptions {
  /** Time after which no new attempt starts, in milliseconds. */
  readonly forMs: number;
  /** First pause between attempts, in milliseconds. It doubles each time, up to `maxDelayMs`, with 25 % jitter. Default 100. */
  readonly delayMs?: number;
  /** Maximum pause between attempts, in milliseconds. Default 5000. */
  readonly maxDelayMs?: number;
}

/** Repeats idempotent work until it succeeds or the time is over. Rejects with the last error. */
export async function retry<T>(
  work: () => Promise<T>,
  { forMs, delayMs = 100, maxDelayMs = 5000 }: RetryOptions,
): Promise<T> {
  const deadline = performance.now() + forMs;
  for (let delay = delayMs; ; delay = Math.min(delay * 2, maxDelayMs)) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() + delay > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay * (0.75 + Math.random() / 2)).unref());
    }
  }
}
