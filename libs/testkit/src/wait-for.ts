/** Thrown when a condition did not come true in time; the message says why not yet. */
export class NotYet extends Error {
  override readonly name = 'NotYet';
}

export interface WaitOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number;
  /** How often to look. Default 50. */
  readonly everyMs?: number;
}

/**
 * Looks until `check` is content. `check` returns a value when it is, and throws, or returns a sentence wrapped in
 * `notYet`, when it is not; the last reason is in the error when time runs out.
 */
export async function waitFor<T>(what: string, check: () => Promise<T> | T, options: WaitOptions = {}): Promise<T> {
  const { timeoutMs = 10_000, everyMs = 50 } = options;
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

/** Ends a check that is not content yet: `if (!page.ready) notYet('the page loads')`. */
export function notYet(reason: string): never {
  throw new NotYet(reason);
}
