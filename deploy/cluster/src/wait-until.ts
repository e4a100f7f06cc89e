import { setTimeout } from 'node:timers/promises';

/** Calls `check` until it returns instead of throwing. After the deadline it throws the last reason. */
export async function waitUntil<T>(
  what: string,
  timeoutMs: number,
  check: () => Promise<T> | T,
  everyMs = 200,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() >= deadline)
        throw new Error(`${what}: not within ${timeoutMs} ms, because ${(error as Error).message}`, { cause: error });
    }
    await setTimeout(everyMs);
  }
}
