/** A condition was not met in time. The message names the last reason. */
export class NotYet extends Error {
  override readonly name = 'NotYet';
}

export interface WaitOptions {
  /** Default 20,000. */
  readonly timeoutMs?: number;
  /** Interval between two checks, ms. Default 50. */
  readonly everyMs?: number;
}

/**
 * Calls `check` until it returns a value instead of throwing. It throws, with `notYet(reason)` for example, while the condition is
 * not met; the error after the timeout has the last reason.
 */
export async function waitFor<T>(what: string, check: () => Promise<T> | T, options: WaitOptions = {}): Promise<T> {
  const { timeoutMs = 20_000, everyMs = 50 } = options;
  const deadline = performance.now() + timeoutMs;
  let why: unknown;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      why = error;
    }
    if (performance.now() >= deadline) {
      const reason = why instanceof Error ? why.message : String(why);
      throw new NotYet(`${what}: not within ${timeoutMs} ms, because ${reason}`, { cause: why });
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Ends a check whose condition is not met: `if (!page.ready) notYet('the page loads')`. */
export function notYet(reason: string): never {
  throw new NotYet(reason);
}
