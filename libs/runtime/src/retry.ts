export interface RetryOptions {
  /** How long to go on, in milliseconds. */
  readonly forMs: number;
  /** The first pause; each is twice the one before, with up to half of it at random, until `maxDelayMs`. Default 100. */
  readonly delayMs?: number;
  /** Default 5000. */
  readonly maxDelayMs?: number;
}

/** Does idempotent work until it succeeds or time is over; then the last failure is thrown. */
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
